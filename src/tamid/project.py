"""A workspace from Python: hand over a fitted scikit-learn pipeline where it was made.

`tamid.Project(".").register(pipeline, X, y)` does in a notebook what `tamid register` does with a
file: the pipeline becomes a skops file, and goes through the same gates to the same signed bundle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tamid.core.errors import NotFound, TamidError, UsageError
from tamid.core.values import Role, Task, digest_bytes
from tamid.notebook import (
    Told,
    asked,
    columns_read,
    draft,
    fitted,
    frame_of,
    is_fitted,
    labels_of,
)

if TYPE_CHECKING:
    import polars as pl

    from tamid.app import App
    from tamid.core.contract.model import Contract


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """How a hand-over ended: `version` is 0 unless it passed, `why` says what stood against it."""

    model: str
    run: str
    outcome: str
    why: str
    version: int
    champion: int
    metrics: Mapping[str, float] = field(default_factory=dict)


class Project:
    """The workspace that a folder lies in; a folder without one becomes one with the first model.

    `contract`: its file, which is drafted from the data where there is none.
    """

    def __init__(self, folder: str | Path = ".", *, contract: str = "contract.yaml") -> None:
        self._root = Path(folder).resolve()
        self._contract = self._root / contract

    def register(
        self,
        pipeline: Any,
        X: Any,  # noqa: N803 - scikit-learn's name for it
        y: Any,
        *,
        name: str = "",
        label: str = "label",
        entity: str = "",
        time: str = "",
        trained_through: date | str | None = None,
        reason: str = "handed over in Python",
        role: str = "ml_developer",
    ) -> Registered:
        """Hand over a pipeline with the rows to judge it on; return how it ended.

        `X`: a Polars or pandas frame, or a matrix; it may hold more columns than the pipeline
        reads, such as `entity` and `time`. `y`: what came of each row. A pipeline that is not
        fitted is fitted on the other columns. `name`, `label`, `entity` and `time` serve a folder
        that has no contract yet. `trained_through`: the last day that it has learnt from, or "none"
        of the rows; where nobody says, its recipe is judged, fitted anew on what came before.

        Raises:
            UserCodeError: the pipeline cannot be stored safely, or does not fit the contract.
            UsageError, ContractError, Waiting, Conflict: as for `tamid register`.
        """
        try:
            rows = frame_of(X)
            told = Told(label=label, entity=entity, time=time, name=name or self._root.name)
            values = labels_of(y, rows.height)
            given = _Handed(pipeline, rows, values, trained_through, aside=(entity, time))
            drafted = self._begin(rows, values, told)
            try:
                with closing(self._opened()) as app:
                    place = self._root / "data" if drafted else app.config.store / "handed"
                    return given.into(app, self._contract, place, Role(role), reason)
            except TamidError:
                if drafted:
                    self._take_back()
                raise
        except TamidError as error:
            # A notebook shows the message alone, and these say what to do.
            error.add_note(f"Why: {error.why}")
            error.add_note(f"What to do: {error.remedy}")
            raise

    def _opened(self) -> App:
        from tamid.app import App

        return App.open(self._root)

    def _begin(self, rows: pl.DataFrame, values: pl.Series, told: Told) -> bool:
        """Make a workspace and draft a contract where there are none; say whether it was."""
        from tamid.cli.setup import WORKSPACE
        from tamid.config import FILE, find

        drafted = False
        if not self._contract.exists():
            with suppress(NotFound):
                find(self._root)
                raise UsageError(
                    f"the workspace has no {self._contract.name}",
                    why="a contract is drafted only in a folder that has no workspace yet",
                    fix="Name the contract: Project(folder, contract=...).",
                )
            self._root.mkdir(parents=True, exist_ok=True)
            self._contract.write_text(draft(rows, values, told), "utf-8")
            drafted = True
        if not (self._root / FILE).exists():
            text = WORKSPACE.replace("contract.yaml", self._contract.name)
            (self._root / FILE).write_text(text, "utf-8")
        return drafted

    def _take_back(self) -> None:
        """Remove a draft that never came into force, so that the next call drafts anew."""
        from tamid.config import FILE

        with suppress(TamidError), closing(self._opened()) as app:
            if any(app.state(model).contract for model in app.models()):
                return
        self._contract.unlink()
        (self._root / FILE).unlink()


class _Handed:
    """One hand-over: the pipeline's file, the rows, and how it goes through the gates."""

    def __init__(
        self,
        pipeline: Any,
        rows: pl.DataFrame,
        values: pl.Series,
        through: date | str | None,
        *,
        aside: Sequence[str],
    ) -> None:
        """Check that the pipeline goes with its rows, and can be stored safely."""
        from tamid.workshop import pipeline_file

        self._rows, self._values, self._through = rows, values, _day(through)
        names = columns_read(pipeline)
        aside = () if is_fitted(pipeline) else aside
        own = tuple(c for c in rows.columns if c not in aside)
        self._inputs = () if names else own
        self._read = names or own
        if missing := [n for n in self._read if n not in rows.columns]:
            raise UsageError(
                f"X lacks what the pipeline reads: {', '.join(missing)}",
                why="it was fitted on these columns",
                fix="Give it the frame on which it was fitted.",
            )
        self._pipeline = fitted(pipeline, rows, values, self._read)
        self._content = pipeline_file(self._pipeline)

    def into(self, app: App, contract: Path, place: Path, role: Role, reason: str) -> Registered:
        """Take it through a run, and turn the loop once."""
        from tamid.cli.desk import actor, scene
        from tamid.cli.registering import dated
        from tamid.cli.training import run_of
        from tamid.cli.turning import free_the_dead, turn
        from tamid.core.view.build import run_card
        from tamid.ports import GivenModel
        from tamid.stages.byhand import Wish, refuse_paused, take_over

        paths = {path.resolve(): name for name, path in app.models().items()}
        model = app.one(paths.get(contract.resolve(), ""))
        given = GivenModel(
            name=f"{type(self._pipeline).__name__} in Python",
            kind="skops",
            content=self._content,
            inputs=self._inputs,
        )
        mine = app.folder_contract(model)
        self._compare(mine, given)
        app.places[model] = self._put(mine, place)
        free_the_dead(app, model)
        refuse_paused(app.state(model))
        app.adopt(model, actor=actor(), reason=reason, role=role)
        given = dated(app.contract(model), given, self._through)
        wish = Wish(actor=actor(), role=role, reason=reason)
        run = run_of(take_over(app.rig(model), app.holder, wish, given))
        turn(app, model)
        card = run_card(scene(app, model), run)
        return Registered(
            model=model, run=run, outcome=card.outcome, why=card.why, version=card.version,
            champion=app.state(model).champion, metrics=dict(card.metrics),
        )  # fmt: skip

    def _compare(self, contract: Contract, given: Any) -> None:
        """Refuse a pipeline that answers otherwise as a bundle than here."""
        import numpy as np

        from tamid.workshop import refuse_unlike

        if contract.features.code is not None:
            raise UsageError(
                "the contract makes features in its own code",
                why="X holds either the rows or the features, and both are needed",
                fix="Write the pipeline with skops.io.dump, and use `tamid register`.",
            )
        rows = self._rows
        read = rows.select(self._read)
        own: Any = read.to_numpy() if self._inputs else read
        if contract.task is Task.REGRESSION:
            told = asked(self._pipeline, "predict", own)
            answers = np.asarray(told, dtype=np.float64).reshape(-1)
        else:
            found = np.asarray(asked(self._pipeline, "predict_proba", own), dtype=np.float64)
            answers = found.max(axis=1) if contract.task is Task.MULTICLASS else found[:, -1]
            answers = self._positive(contract, found, answers)
        refuse_unlike(given, contract, rows, answers)

    def _positive(self, contract: Contract, found: Any, answers: Any) -> Any:
        """Return the chance of what the contract calls positive, wherever it stands."""
        from tamid.core.learning.given import Described, places
        from tamid.core.learning.model import StoredModel

        if contract.task is not Task.BINARY:
            return answers
        words = tuple(_word(c) for c in self._pipeline.classes_.tolist())
        stored = StoredModel(format="", files={})
        order = places(
            Described(stored=stored, inputs=(), answers="chances", classes=words), contract
        )
        return found[:, order.index(1)] if order else answers

    def _put(self, contract: Contract, place: Path) -> Path:
        """Write the rows with their labels where they can be read again; return where."""
        data = contract.data
        frame = self._rows.with_columns(self._values.alias(data.label.column))
        if data.entity is not None and data.entity not in frame.columns:
            raise UsageError(
                f"X has no column {data.entity!r}",
                why="the contract's data.entity names it",
                fix="Give X with that column; a pipeline reads only its own.",
            )
        mark = digest_bytes(frame.write_json().encode())[-12:]
        place.mkdir(parents=True, exist_ok=True)
        path = place / f"rows-{mark}.parquet"
        frame.write_parquet(path)
        return path


def _day(through: date | str | None) -> date | str | None:
    """Return a day, the word for no rows, or None. Raises UsageError."""
    if not isinstance(through, str) or through == "none":
        return through
    try:
        return date.fromisoformat(through)
    except ValueError:
        raise UsageError(
            f"trained_through={through!r} is no date", why="it is a day such as 2026-06-30, or none"
        ) from None


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
