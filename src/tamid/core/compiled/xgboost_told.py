"""What an XGBoost model from elsewhere reads and answers, by its own JSON."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from tamid.core.compiled.xgboost_file import LINKS
from tamid.core.errors import UsageError
from tamid.core.learning.given import Described, Input
from tamid.core.learning.model import StoredModel

FORMAT, FILE = "xgboost-json", "model.json"


def described_json(data: Mapping[str, Any], content: bytes, source: str) -> Described:
    """Return what a model's JSON reads and answers; `content` is what the bundle will hold.

    Raises:
        UsageError: it is no whole model of XGBoost.
    """
    try:
        learner = data["learner"]
        model = learner["gradient_booster"].get("model") or learner["gradient_booster"]["gbtree"]
        count = int(learner["learner_model_param"]["num_feature"])
        names = list(learner.get("feature_names") or [""] * count)
        kinds = list(learner.get("feature_types") or ["q"] * count)
        objective = str(learner["objective"]["name"])
        outputs = max(1, int(learner["learner_model_param"]["num_class"]))
        words = _words(model.get("model", model), count)
        version = ".".join(map(str, data["version"]))
        inputs = tuple(
            Input(name=n, kind="category", words=w) if k == "c" and w else Input(name=n)
            for n, k, w in zip(names, kinds, words, strict=True)
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"this is no whole model of XGBoost: {error!r}",
            why="half a file, or one that was changed by hand",
            fix='Write it again with `save_model("model.json")`.',
        ) from error
    link = LINKS.get(objective)
    answers = "numbers" if link in ("identity", "exp") else "chances"
    best = learner.get("attributes", {}).get("best_iteration")
    note = f"its rounds after the best one ({best}) are left out, as XGBClassifier does"
    return Described(
        stored=StoredModel(format=FORMAT, files={FILE: content}),
        inputs=inputs,
        answers=answers if link else f"by the objective `{objective}`, which is not known here",
        outputs=outputs,
        made_with=f"XGBoost {version} ({source})",
        notes=(note,) if best is not None else (),
    )


def _words(model: Mapping[str, Any], count: int) -> list[tuple[str, ...]]:
    """Return the categories that the model itself holds for each feature, if any."""
    cats = model.get("cats") or {}
    encoded = cats.get("enc") or []
    if len(encoded) != count:
        return [()] * count
    return [_column_words(column) for column in encoded]


def _column_words(column: Mapping[str, Any]) -> tuple[str, ...]:
    """Return one feature's categories: numbers as they are, texts as bytes cut by offsets."""
    values = column.get("values", ())
    if "offsets" not in column:
        return tuple(str(v) for v in values)
    raw, cuts = bytes(v & 0xFF for v in values), column["offsets"]
    return tuple(raw[a:b].decode() for a, b in pairwise(cuts))
