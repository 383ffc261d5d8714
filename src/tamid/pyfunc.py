"""How MLflow opens a bundle that was published there, as `models:/NAME@champion`.

Named in every model that was ever published: neither this module's name nor `_load_pyfunc` may
change. Files are checked against the digests in the manifest, and the manifest against the overlay;
signatures too, where `TAMID_TRUSTED_KEYS` names a folder of public keys.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tamid.core.errors import DataError, IntegrityError
from tamid.core.values import Task, digest_bytes

if TYPE_CHECKING:
    from tamid.core.learning.bundle import Opened

# A folder of public keys (`tamid keys export`): only what one of them signed is opened.
TRUSTED = "TAMID_TRUSTED_KEYS"


class BundleModel:
    """Answers for rows of a pandas frame as batch scoring and the model server do."""

    def __init__(self, opened: Opened) -> None:
        from tamid.stages.golden import GOLDEN
        from tamid.workshop.answers import golden_off, ready, refuse_unlike

        self._opened = opened
        self._golden = opened.files[GOLDEN]
        self._kinds = {c["name"]: c["type"] for c in json.loads(self._golden)["columns"]}
        self._predictor = ready(opened)
        refuse_unlike(golden_off(self._predictor, opened))

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Return a pandas frame with `score`, chances of classes, and `decision` of a binary task.

        Raises:
            DataError: this is no frame, or a value is not of its column's type.
        """
        import pandas as pd

        from tamid.workshop.online import answer_rows

        frame = pd.DataFrame(model_input)
        try:
            columns = {
                str(name): [_plain(v, self._kinds.get(str(name), "")) for v in frame[name].tolist()]
                for name in frame.columns
            }
            found = answer_rows(self._predictor, self._golden, columns, explain=False)
        except (TypeError, ValueError, OverflowError) as error:
            raise DataError(f"the rows cannot be read: {error}") from error
        made = pd.DataFrame({"score": found["score"]}, index=frame.index)
        classes = found.get("classes")
        if isinstance(classes, Mapping):
            for name, chances in classes.items():
                made[f"class_{name}"] = chances
        threshold = self._opened.overlay.threshold
        if self._opened.manifest.schema.task is Task.BINARY and math.isfinite(threshold):
            made["decision"] = (made["score"] >= threshold).astype(float)
        return made


def _load_pyfunc(path: str) -> BundleModel:
    """Open the bundle in a folder; MLflow looks for this name.

    Raises:
        IntegrityError: a file is missing, extra or altered, or nobody trusted signed the bundle.
    """
    return BundleModel(opened_folder(Path(path), os.environ.get(TRUSTED, "")))


def opened_folder(folder: Path, trusted: str) -> Opened:
    """Return the bundle in a folder after checking it; `trusted`: a folder of keys, or ""."""
    from tamid.core.learning.bundle import Opened, read_manifest, unsealed

    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    try:
        manifest, sealed = files.pop("manifest.json"), files.pop("overlay.json")
    except KeyError as error:
        raise IntegrityError(f"the bundle has no {error}", why="it cannot be verified") from None
    overlay, signature = unsealed(sealed)
    held = read_manifest(manifest)
    altered = sorted(
        path
        for path in files.keys() | held.files.keys()
        if path not in files or held.files.get(path) != digest_bytes(files[path])
    )
    if overlay.bundle != digest_bytes(manifest) or altered:
        raise IntegrityError(
            f"{(altered or ['manifest.json'])[0]} is not what the bundle was made with",
            why="a file is missing, extra or altered",
        )
    if trusted:
        from tamid.wiring import trust_of

        signer = trust_of(Path(trusted))
        signer.verify(overlay.content, signature)
        signer.verify(overlay.bundle.encode(), overlay.vouched)
    return Opened(manifest=held, overlay=overlay, files=files)


def _plain(value: Any, kind: str) -> Any:
    """Return a value as a request has it: None where nothing is, moments as text."""
    if value is None or type(value).__name__ == "NAType" or value != value:
        return None
    if kind == "integer" and isinstance(value, float):
        if not value.is_integer():
            raise ValueError(f"{value} is no whole number")
        return int(value)
    if isinstance(value, date):  # a moment too, also that of pandas
        if kind == "datetime" and isinstance(value, datetime) and value.tzinfo is None:
            value = value.replace(tzinfo=UTC)
        return value.isoformat()
    return value
