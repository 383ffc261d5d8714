"""Fitted pipelines that were made elsewhere: what they read and answer, and their recipe."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tamid.adapters._optional import need
from tamid.adapters.sklearn.models import FORMAT, Store
from tamid.core.errors import UsageError
from tamid.core.learning.given import Described, Input
from tamid.core.learning.model import StoredModel

if TYPE_CHECKING:
    from collections.abc import Sequence


def opened(content: bytes, store: Store) -> tuple[Any, Described]:
    """Return a pipeline out of a skops file, and what it reads and answers.

    Raises:
        IntegrityError: it holds types that are not on the published list.
        UsageError: it is not fitted, or is nothing that answers.
    """
    pipeline = store.load(content)
    count = _inputs(pipeline)
    named = _first(pipeline, "feature_names_in_")
    names = [""] * count if named is None else [str(n) for n in named]
    names = names if named is None else _used(pipeline, names)
    classes = _first(pipeline, "classes_", last=True)
    chances = hasattr(pipeline, "predict_proba")
    if not chances and classes is not None:
        raise UsageError(
            f"the pipeline's {_last(pipeline)} gives classes and no chances",
            why="a score that means nothing can neither be calibrated nor given a threshold",
            fix="End it with an estimator that has predict_proba (CalibratedClassifierCV, say).",
        )
    told = () if classes is None else tuple(_word(c) for c in np.asarray(classes).tolist())
    described = Described(
        stored=StoredModel(format=FORMAT, files={"model.skops": content}),
        inputs=tuple(Input(name=n, kind="any") for n in names),
        answers="chances" if chances else "numbers",
        outputs=1 if len(told) <= 2 else len(told),
        classes=told,
        made_with=f"scikit-learn ({_last(pipeline)})",
    )
    return pipeline, described


def recipe_of(pipeline: Any) -> Callable[[], Any]:
    """Return what makes the pipeline anew, not fitted."""
    base: Any = need("sklearn.base", "loop")
    return lambda: base.clone(pipeline)


def _inputs(pipeline: Any) -> int:
    count = _first(pipeline, "n_features_in_")
    if count is None or not hasattr(pipeline, "predict"):
        raise UsageError(
            f"the {type(pipeline).__name__} in the file is not fitted, or answers nothing",
            why="it has no n_features_in_ or no predict()",
            fix="Fit it, then write it with skops.io.dump(pipeline, file).",
        )
    return int(count)


def _used(pipeline: Any, names: list[str]) -> list[str]:
    """Return the columns that are read; a ColumnTransformer may drop some of those it has seen."""
    compose: Any = need("sklearn.compose", "loop")
    steps = getattr(pipeline, "steps", None)
    first = steps[0][1] if steps else pipeline
    if type(first) is not compose.ColumnTransformer:
        return names
    places = first._transformer_to_input_indices  # noqa: SLF001 - public only as names of outputs
    kept = [name for name, step, _ in first.transformers_ if step != "drop"]
    used = sorted({int(i) for name in kept for i in places[name]})
    return [names[i] for i in used]


def _first(pipeline: Any, name: str, *, last: bool = False) -> Any:
    """Return an attribute of the pipeline, or of its first (last) step, None if it has none."""
    steps: Sequence[Any] = [s for _, s in getattr(pipeline, "steps", ())]
    for one in (pipeline, *(steps[::-1] if last else steps)):
        try:
            return getattr(one, name)
        except AttributeError:  # a property that asks a step which lacks it
            continue
    return None


def _last(pipeline: Any) -> str:
    steps = getattr(pipeline, "steps", None)
    return type(steps[-1][1] if steps else pipeline).__name__


def _word(value: object) -> str:
    """Return a class as a contract would write it.

    >>> _word(True), _word(1.0), _word("yes")
    ('true', '1', 'yes')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    return str(value)
