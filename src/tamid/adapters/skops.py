"""scikit-learn objects without pickle: skops with a published list of types, in canonical bytes.

skops names every object by its address in memory and every zip entry by the second; both are
replaced here, so that the same fitted pipeline always gives the same bytes.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

from tamid.adapters._optional import need
from tamid.core.errors import IntegrityError, UserCodeError

# Types trusted beyond skops' own list. Each restores plain arrays or its library's own text.
TRUSTED = (
    "collections.OrderedDict",
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier",
    "lightgbm.sklearn.LGBMRegressor",
    "numpy.dtype",
    "sklearn._loss.link.Interval",
    "sklearn._loss.link.LogitLink",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
)
_SCHEMA = "schema.json"
# The earliest date that a zip entry can carry.
_DATE = (1980, 1, 1, 0, 0, 0)


def untrusted(thing: object) -> list[str]:
    """Return the types in an object that may not be stored, sorted.

    >>> untrusted({"a": 1})
    []
    """
    skops: Any = need("skops.io", "loop")
    try:
        content = skops.dumps(thing)
    except Exception as error:  # skops raises whatever the state of an object raises
        return [f"{type(thing).__module__}.{type(thing).__qualname__} ({error})"]
    return sorted(set(skops.get_untrusted_types(data=content)) - set(TRUSTED))


def dump(thing: object) -> bytes:
    """Return an object as canonical bytes.

    Raises:
        UserCodeError: it holds types that are not on the list.
    """
    skops: Any = need("skops.io", "loop")
    refused = untrusted(thing)
    if refused:
        raise UserCodeError(
            f"the fitted model holds types that cannot be stored safely: {', '.join(refused)}",
            why="a bundle holds no pickle: only types on the published list can be loaded again",
            fix="Use steps of scikit-learn or LightGBM, or move own code into features.py.",
        )
    return _canonical(skops.dumps(thing))


def load(content: bytes) -> Any:
    """Load what :func:`dump` wrote; types off the list are refused.

    Raises:
        IntegrityError: it is no such file, or it names other types.
    """
    skops: Any = need("skops.io", "loop")
    try:
        refused = sorted(set(skops.get_untrusted_types(data=content)) - set(TRUSTED))
        if not refused:
            return skops.loads(content, trusted=list(TRUSTED))
    except Exception as error:  # a damaged file can fail anywhere in skops
        raise IntegrityError(f"the bundle's model cannot be loaded: {error}") from error
    raise IntegrityError(f"the bundle's model names types off the list: {', '.join(refused)}")


def _canonical(content: bytes) -> bytes:
    """Number objects in the order of the schema and write the zip without dates."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        schema = json.loads(archive.read(_SCHEMA))
        files = {name: archive.read(name) for name in archive.namelist() if name != _SCHEMA}
    numbers: dict[int, int] = {}
    names: dict[str, str] = {}
    _renumber(schema, numbers, names)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        text = json.dumps(schema, sort_keys=True, separators=(",", ":"))
        archive.writestr(_entry(_SCHEMA), text)
        for name in sorted(files, key=lambda n: names.get(n, n)):
            archive.writestr(_entry(names.get(name, name)), files[name])
    return out.getvalue()


def _renumber(node: Any, numbers: dict[int, int], names: dict[str, str]) -> None:
    if isinstance(node, list):
        for item in node:
            _renumber(item, numbers, names)
        return
    if not isinstance(node, dict):
        return
    address = node.get("__id__")
    if isinstance(address, int):
        node["__id__"] = numbers.setdefault(address, len(numbers) + 1)
    file = node.get("file")
    if isinstance(file, str):
        suffix = file.rpartition(".")[2]
        node["file"] = names.setdefault(file, f"{len(names) + 1:06d}.{suffix}")
    for key, value in node.items():
        if key not in ("__id__", "file"):
            _renumber(value, numbers, names)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, date_time=_DATE)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o600 << 16
    return entry
