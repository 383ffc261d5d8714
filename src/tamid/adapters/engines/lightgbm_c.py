"""LightGBM's own C library through ctypes, without its Python package and what that imports.

It takes the text that was compiled, and only after it was: the parser that reads it is LightGBM's.
"""

from __future__ import annotations

import ctypes
import functools
import math
import os
from array import array
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tamid.adapters.engines.seam import AnswersOnly
from tamid.core.errors import IntegrityError, MissingExtra

if TYPE_CHECKING:
    from tamid.adapters.engines.seam import Engine

# Constants of LightGBM's c_api.h.
_NORMAL, _SUMS, _PARTS, _FLOAT64, _ROW_MAJOR, _ALL_ROUNDS = 0, 1, 3, 1, 1, -1
# One thread: a row is too little work to share, and threads that wait for each other burn the core.
_SETTING = b"num_threads=1 verbosity=-1"
_PLACES = ("lib/lib_lightgbm.so", "bin/lib_lightgbm.so", "lib_lightgbm.so")


class LightGBMEngine(AnswersOnly):
    """Answers with LightGBM's prediction for single rows, and for matrices."""

    name = "lightgbm"

    def __init__(self, text: str, features: int, outputs: int, *, sums: bool = False) -> None:
        """Load a text; `sums`: give what its trees add up to, for rows taken as they are."""
        self._kind, self._as_it_is = _SUMS if sums else _NORMAL, sums
        self._library = _library()
        self._outputs, self._features = outputs, features
        self._booster = ctypes.c_void_p()
        self._fast = ctypes.c_void_p()
        rounds = ctypes.c_int(0)
        self._call("LGBM_BoosterLoadModelFromString", text.encode(), ctypes.byref(rounds),
                   ctypes.byref(self._booster))  # fmt: skip
        self._call(
            "LGBM_BoosterPredictForMatSingleRowFastInit", self._booster, self._kind, 0, _ALL_ROUNDS,
            _FLOAT64, ctypes.c_int32(features), _SETTING, ctypes.byref(self._fast),
        )  # fmt: skip
        self._single = self._library.LGBM_BoosterPredictForMatSingleRowFast

    def one(self, packed: bytes) -> float:
        """Return the answer for one row."""
        return self.many(packed, 1)[0]

    def many(self, packed: bytes, rows: int) -> list[float]:
        """Return the outputs of each row, row by row."""
        if len(packed) < rows * self._features * 8:
            raise ValueError("fewer rows than promised")
        packed = packed if self._as_it_is else _without_infinities(packed)
        out = (ctypes.c_double * (rows * self._outputs))()
        count = ctypes.c_int64(0)
        if rows == 1:
            self._checked(self._single(self._fast, packed, ctypes.byref(count), out))
        else:
            self._call(
                "LGBM_BoosterPredictForMat", self._booster, packed, _FLOAT64,
                ctypes.c_int32(rows), ctypes.c_int32(self._features), _ROW_MAJOR, self._kind, 0,
                _ALL_ROUNDS, _SETTING, ctypes.byref(count), out,
            )  # fmt: skip
        if count.value != rows * self._outputs:
            raise IntegrityError(f"LightGBM gave {count.value} answers for {rows} rows")
        return list(out)

    def shap(self, packed: bytes, output: int) -> list[float] | None:
        """Return each feature's part in one row's sum."""
        width = self._features + 1
        out = (ctypes.c_double * (width * self._outputs))()
        count = ctypes.c_int64(0)
        self._call(
            "LGBM_BoosterPredictForMat", self._booster, _without_infinities(packed), _FLOAT64,
            ctypes.c_int32(1), ctypes.c_int32(self._features), _ROW_MAJOR, _PARTS, 0, _ALL_ROUNDS,
            _SETTING, ctypes.byref(count), out,
        )  # fmt: skip
        return list(out[output * width : (output + 1) * width - 1])

    def __del__(self) -> None:
        """Give the booster back."""
        library = getattr(self, "_library", None)
        if library is not None and self._fast.value:
            library.LGBM_FastConfigFree(self._fast)
        if library is not None and self._booster.value:
            library.LGBM_BoosterFree(self._booster)

    def _call(self, name: str, *arguments: Any) -> None:
        self._checked(getattr(self._library, name)(*arguments))

    def _checked(self, status: int) -> None:
        if status != 0:
            said = self._library.LGBM_GetLastError().decode(errors="replace")
            raise IntegrityError(f"LightGBM refused the model or a row: {said}")


def _without_infinities(packed: bytes) -> bytes:
    """Return the numbers with infinities as missing, as they were when the model was fitted."""
    values = array("d", packed)
    if math.inf not in values and -math.inf not in values:
        return packed
    return array("d", [math.nan if math.isinf(v) else v for v in values]).tobytes()


@functools.lru_cache(maxsize=1)
def _library() -> Any:
    """Load the library that the package ships. Raises MissingExtra where there is none."""
    spec = find_spec("lightgbm")
    folders = (spec.submodule_search_locations if spec else None) or []
    places = [Path(folder) / name for folder in folders for name in _PLACES]
    path = next((p for p in places if p.is_file()), None)
    if path is None:
        raise MissingExtra("LightGBM is not installed here", fix="pip install 'tamid[loop]'")
    # Read once, when its OpenMP runtime is loaded: waiting threads must not spin.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise MissingExtra(f"LightGBM's library cannot be loaded: {error}") from error
    library.LGBM_GetLastError.restype = ctypes.c_char_p
    return library


if TYPE_CHECKING:

    def _check(text: str) -> Engine:
        return LightGBMEngine(text, 1, 1)
