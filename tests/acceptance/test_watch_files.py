"""A watch follows the files of its workspace; what breaks is told and changes nothing."""

from __future__ import annotations

from pathlib import Path

from processes import eventually, running

CONTRACT = """\
tamid: 1
name: {name}
task: binary
data:
  source: {name}/*.csv
  entity: customer
  time: week
  label: {{column: left, positive: 1, horizon: 7d}}
  schema:
    minutes: {{type: number, min: {least}}}
"""
ONE = '[workspace]\nmodels = ["churn.yaml"]\n'
TWO = '[workspace]\nmodels = ["churn.yaml", "loans.yaml"]\n'


def put(path: Path, text: str) -> None:
    """Write a file as an editor does: beside, then renamed."""
    fresh = path.with_name(path.name + "~")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def test_a_running_watch_follows_its_workspace(tmp_path: Path) -> None:
    """Models come and go with the workspace file, and a changed contract is turned at once; a
    broken file is told once, and what it said before stays in force."""
    root, log = tmp_path / "shop", tmp_path / "log"
    (root / "churn").mkdir(parents=True)
    for name in ("churn", "loans"):
        put(root / f"{name}.yaml", CONTRACT.format(name=name, least=0))
    put(root / "tamid.toml", ONE)

    def says(text: str, times: int = 1) -> None:
        eventually(lambda: log.read_text().count(text) >= times, text)

    with running(root, log, "watch", "--poll", "200ms", "--every", "1d") as watch:
        says("churn: a tick, it is due")
        put(root / "tamid.toml", TWO.replace("models", "modles"))
        says("did you mean 'models'?")
        says("tamid.toml is broken: what it said before stays in force")
        put(root / "tamid.toml", TWO)
        says("tamid.toml is whole again")
        says("now watching loans")
        says("loans: a tick, it is due")
        put(root / "churn.yaml", CONTRACT.format(name="churn", least="none"))
        says("churn.yaml is broken")
        put(root / "churn.yaml", CONTRACT.format(name="churn", least=1))
        says("churn: a tick, its contract changed")
        (root / "loans.yaml").rename(root / "gone.yaml")
        says("loans.yaml is broken")
        put(root / "tamid.toml", ONE)
        says("no longer watching loans")
        assert watch.poll() is None
    said = log.read_text()
    assert watch.returncode == 0
    assert "Traceback" not in said
    assert said.count("did you mean 'models'?") == 1
    assert said.count("churn: a tick") == 2
