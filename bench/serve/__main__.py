"""`make bench-serve`: one pipeline, served by Tamid and by its peers, on the same cores.

    python -m serve [--quick] [--peers fastapi,kserve] [--rounds 3] [--seconds 3] [--folder F]

The last line is one JSON object with every ratio.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import venv
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from serve.batch import many_rows
from serve.load import build
from serve.measure import Failed, Run, measure
from serve.report import ratios, table
from serve.servers import MODEL_PACKAGES, SERVERS, Server, environment
from serve.world import make

_LINKS, _QUICK_LINKS = [1, 16, 64], [16]


def main() -> int:
    """Measure, tell, and end with the ratios."""
    args = _arguments()
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("two cores are needed: one for the server, one for the load")
    folder = args.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    chosen = [s for s in SERVERS if _wanted(s, args.peers)]
    pythons, missing = _environments(folder, chosen)
    first = next((p for name, p in pythons.items() if name), "")
    if not first:
        raise SystemExit("no environment of a peer could be made: nobody to compare with")
    world, load = make(folder, first), build(folder)
    chosen = [s for s in chosen if environment(s) in pythons]
    links = _QUICK_LINKS if args.quick else _LINKS
    runs: list[Run] = []
    for number in range(args.rounds):
        for server in chosen:
            if server.name in missing:
                continue
            try:
                _prepare(server, pythons, folder)
                python = pythons[environment(server)]
                runs += measure(server, python, world, load, links, args.seconds)
            except (Failed, subprocess.SubprocessError) as error:
                missing[server.name] = str(error)
        _say(f"round {number + 1} of {args.rounds}: load average {os.getloadavg()[0]:.1f}")
    many = many_rows(world, first, args.rounds)
    told = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"), "machine": _machine(),
        "rounds": args.rounds, "seconds": args.seconds, "left_out": missing,
        "many_rows": many, **ratios(runs, SERVERS),
    }  # fmt: skip
    (folder / "runs.json").write_text(json.dumps([asdict(run) for run in runs]))
    print(table(runs, missing, many))
    print(json.dumps(told))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-serve", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round, 16 connections")
    parser.add_argument("--peers", default="", help="only these (and Tamid), by comma")
    parser.add_argument("--rounds", type=int, help="interleaved repeats (3)")
    parser.add_argument("--seconds", type=float, help="of each load (3)")
    parser.add_argument("--folder", type=Path, default=Path("out/bench-serve"))
    args = parser.parse_args()
    args.rounds = args.rounds or (1 if args.quick else 3)
    args.seconds = args.seconds or (2.0 if args.quick else 3.0)
    return args


def _wanted(server: Server, peers: str) -> bool:
    if not server.packages:
        return True
    return not peers or server.name in peers.split(",")


def _environments(folder: Path, servers: list[Server]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the python of each environment, made if it is not there; and who has none, why."""
    pythons, missing = {"": sys.executable}, dict[str, str]()
    for server in servers:
        name = environment(server)
        python = folder / "peers" / name / "bin" / "python"
        if name in pythons:
            continue
        failed = None if python.exists() else _install(python, server.packages)
        if failed is None:
            pythons[name] = str(python)
        else:
            shutil.rmtree(python.parents[1], ignore_errors=True)
        for other in servers if failed is not None else ():
            if environment(other) == name:
                missing[other.name] = f"cannot be installed: {failed}"
    return pythons, missing


def _install(python: Path, packages: tuple[str, ...]) -> str | None:
    """Make an environment; return why it cannot be, None if it is there."""
    _say(f"installing {packages[0]}")
    venv.create(python.parents[1], with_pip=True)
    pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    command = [*pip, *packages, *MODEL_PACKAGES]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else done.stderr.strip()[-300:]


def _prepare(server: Server, pythons: dict[str, str], folder: Path) -> None:
    """Save the model in the form that MLflow wants, once."""
    if server.name != "mlflow" or (folder / "mlflow-model").exists():
        return
    script = str(Path(__file__).parent / "apps" / "mlflow_save.py")
    command = [pythons["mlflow"], script, str(folder / "model.pickle")]
    subprocess.run(
        [*command, str(folder / "mlflow-model")], check=True, capture_output=True, cwd=folder
    )


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((x.partition(": ")[2] for x in lines if x.startswith("model name")), "unknown")
    return f"{os.cpu_count()} cores, {model}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
