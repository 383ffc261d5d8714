"""A mirror on an MLflow tracking server: experiment and registered model by the model's name.

What was shown is found again by tags (`tamid.key`, `tamid.overlay`), so that showing it twice makes
nothing twice. An edition is a model of the flavour `python_function` whose loader opens the bundle.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import tamid
from tamid.adapters._mlmodel import lay, model_files
from tamid.adapters._optional import need
from tamid.core.errors import MirrorDown
from tamid.ports import Edition, Exhibit

if TYPE_CHECKING:
    from tamid.ports import Mirror

# What one call of `log_batch` takes (mlflow.utils.validation).
_MOST_METRICS, _MOST_PARAMS, _MOST_TAGS = 1000, 100, 100
_LONGEST_NAME, _LONGEST_PARAM, _LONGEST_TAG = 250, 6000, 8000
_FOREIGN = re.compile(r"[^/\w.\- ]")
_STATES = {"running": "RUNNING", "finished": "FINISHED", "failed": "FAILED"}
# By default the client tries a server that is away for over four minutes, and prints on stdout.
_MANNERS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}
_KEY, _PARENT, _OVERLAY, _VERSION = "tamid.key", "tamid.parent", "tamid.overlay", "tamid.version"


@dataclass(slots=True)
class _Known:
    """A run that is on the server already."""

    id: str
    uri: str
    state: str
    params: dict[str, str]


class MlflowMirror:
    """One model on the tracking server under `uri`.

    Settings of the client (`MLFLOW_TRACKING_TOKEN`, `MLFLOW_REGISTRY_URI` and the like) hold as
    everywhere with MLflow.
    """

    def __init__(self, uri: str, model: str) -> None:
        for name, value in _MANNERS.items():
            os.environ.setdefault(name, value)
        need("mlflow", "mlflow")
        from mlflow import entities
        from mlflow.tracking import MlflowClient

        self._uri, self._model, self._entities = uri, model, entities
        registry = os.environ.get("MLFLOW_REGISTRY_URI") or uri
        self._client: Any = MlflowClient(tracking_uri=uri, registry_uri=registry)
        self._runs: dict[str, _Known] = {}
        self._family: set[str] = set()
        self._home = ""

    def show(self, work: Sequence[Exhibit]) -> None:
        """Make or bring up to date a run of each piece of work."""
        with self._answered():
            for piece in work:
                self._bring(piece, self._found(piece.key, piece.parent) or self._made(piece))

    def attach(self, key: str, files: Mapping[str, bytes]) -> None:
        """Lay files among the artifacts of a run."""
        with self._answered(), tempfile.TemporaryDirectory() as folder:
            lay(folder, files)
            self._client.log_artifacts(self._run(key).id, folder)

    def publish(self, edition: Edition) -> None:
        """Upload the bundle beside its run, and make it the next version of the model."""
        with self._answered():
            if self._edition(edition.overlay) is not None:
                return
            run = self._run(edition.run)
            place = f"model/{edition.overlay.rpartition(':')[2][:12]}"
            with tempfile.TemporaryDirectory() as folder:
                lay(folder, model_files(edition, run.id, place))
                self._client.log_artifacts(run.id, folder, place)
            self._registered()
            tags = {f"tamid.{name}": text for name, text in edition.tags.items()}
            tags |= {_OVERLAY: edition.overlay, _VERSION: str(edition.number)}
            self._client.create_model_version(
                self._model,
                source=f"{run.uri}/{place}",
                run_id=run.id,
                tags={**tags, "tamid.bundle": edition.bundle},
                await_creation_for=0,
                description=f"Version {edition.number} of {self._model}",
            )

    def point(self, alias: str, overlay: str) -> None:
        """Set or delete an alias of the registered model."""
        with self._answered():
            if not overlay:
                if alias in self._aliases():
                    self._client.delete_registered_model_alias(self._model, alias)
                return
            number = self._edition(overlay)
            if number is None:
                raise MirrorDown(f"no version of {self._model} carries {_OVERLAY} {overlay[:19]}")
            if self._aliases().get(alias) != number:
                self._client.set_registered_model_alias(self._model, alias, number)

    @contextmanager
    def _answered(self) -> Iterator[None]:
        """Turn whatever a server or the way to it may do into MirrorDown."""
        from mlflow.exceptions import MlflowException
        from requests.exceptions import RequestException

        try:
            yield
        except (MlflowException, RequestException, OSError) as error:
            raise MirrorDown(
                f"the tracking server {self._uri} did not take it", why=_why(str(error))
            ) from error

    def _made(self, piece: Exhibit) -> _Known:
        tags = {_KEY: piece.key, "mlflow.source.name": f"tamid {tamid.__version__}"}
        if piece.parent:
            tags |= {_PARENT: piece.parent, "mlflow.parentRunId": self._run(piece.parent).id}
        made = self._client.create_run(
            self._experiment(), start_time=_millis(piece.began), tags=tags, run_name=piece.title
        )
        self._runs[piece.key] = _known(made)
        return self._runs[piece.key]

    def _bring(self, piece: Exhibit, run: _Known) -> None:
        """Log in batches what the run does not have yet, then its state."""
        made = self._entities
        fresh = {_legal(k): v[:_LONGEST_PARAM] for k, v in piece.params.items()}
        fresh = {k: v for k, v in fresh.items() if k not in run.params}
        params = [made.Param(k, v) for k, v in fresh.items()]
        tags = [made.RunTag(_legal(k), v[:_LONGEST_TAG]) for k, v in _tags(piece).items()]
        metrics = [
            made.Metric(_legal(r.name), r.value, _millis(r.at), r.step) for r in piece.readings
        ]
        parts = (params, _MOST_PARAMS, "params"), (tags, _MOST_TAGS, "tags")
        for items, most, kind in (*parts, (metrics, _MOST_METRICS, "metrics")):
            for i in range(0, len(items), most):
                self._client.log_batch(run.id, **{kind: items[i : i + most]})
        run.params |= fresh
        state = _STATES[piece.status]
        if state == "RUNNING" and run.state != state:
            self._client.update_run(run.id, status=state)
        elif state != run.state:
            ended = _millis(piece.ended) if piece.ended else None
            self._client.set_terminated(run.id, status=state, end_time=ended)
        run.state = state

    def _run(self, key: str) -> _Known:
        run = self._found(key, "")
        if run is None:
            raise MirrorDown(
                f"{key} is not on {self._uri}",
                why="it was shown there, and somebody deleted it",
                fix="Show everything again: `tamid mirror --again`.",
            )
        return run

    def _found(self, key: str, parent: str) -> _Known | None:
        """Return the run of a key; children are looked up all at once."""
        if key not in self._runs and not (parent and parent in self._family):
            tag, value = (_PARENT, parent) if parent else (_KEY, key)
            self._family |= {parent} if parent else set()
            token: str | None = ""
            while token is not None:
                page = self._client.search_runs(
                    [self._experiment()],
                    filter_string=f"tags.`{tag}` = '{value}'",
                    page_token=token or None,
                )
                self._runs |= {run.data.tags[_KEY]: _known(run) for run in page}
                token = page.token or None
        return self._runs.get(key)

    def _experiment(self) -> str:
        if not self._home:
            found = self._client.get_experiment_by_name(self._model)
            if found is not None and found.lifecycle_stage == "deleted":
                raise MirrorDown(
                    f"the experiment {self._model} was deleted on {self._uri}",
                    why="MLflow keeps the name of a deleted experiment",
                    fix=f"Restore it: `mlflow experiments restore -x {found.experiment_id}`.",
                )
            self._home = found.experiment_id if found else ""
            self._home = self._home or self._client.create_experiment(self._model)
        return self._home

    def _aliases(self) -> Mapping[str, str]:
        """Return the aliases of the registered model; none where there is no such model."""
        from mlflow.exceptions import MlflowException

        try:
            held = self._client.get_registered_model(self._model).aliases
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return {}
        return {alias: str(number) for alias, number in held.items()}

    def _registered(self) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(self._model)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _edition(self, overlay: str) -> str | None:
        """Return the number that MLflow gave to what was published under an overlay."""
        token: str | None = ""
        while token is not None:
            page = self._client.search_model_versions(
                f"name = '{self._model}'", page_token=token or None
            )
            for version in page:
                if version.tags.get(_OVERLAY) == overlay:
                    return str(version.version)
            token = page.token or None
        return None


def _known(run: Any) -> _Known:
    return _Known(run.info.run_id, run.info.artifact_uri, run.info.status, dict(run.data.params))


def _why(said: str) -> str:
    """Return the heart of what went wrong, out of a client's long tale of connections and tries."""
    heart = re.search(r"\[Errno -?\d+\] ([\w ]+)|(timed out)", said)
    first = (said.strip().splitlines() or ["it gave no reason"])[0]
    return (heart[1] or heart[2]) if heart else first[:300]


def _tags(piece: Exhibit) -> dict[str, str]:
    """Return tags, what MLflow has a place of its own for under MLflow's name as well."""
    own = {"mlflow.source.git.commit": piece.tags["git"]} if piece.tags.get("git") else {}
    return {**piece.tags, **own}


def _legal(name: str) -> str:
    """Return a name that MLflow takes; one that had to be changed carries a mark of its own."""
    legal = _FOREIGN.sub("_", name)
    if posixpath.normpath(legal) != legal or legal.startswith(("/", "..")) or legal == ".":
        legal = legal.replace("/", "_").replace("..", "_")
    if legal == name and len(name) <= _LONGEST_NAME:
        return name
    mark = hashlib.sha256(name.encode()).hexdigest()[:6]
    return f"{legal[: _LONGEST_NAME - 7]}-{mark}"


def _millis(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


if TYPE_CHECKING:

    def _mirror(mirror: MlflowMirror) -> Mirror:
        return mirror
