"""A process that only predicts starts without what only fitting needs."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
from tamid.adapters.lightgbm import begin_to_predict
begin_to_predict()
assert "lightgbm" in sys.modules
assert "sklearn" not in sys.modules and "pandas" not in sys.modules
import sklearn
assert sklearn.__version__
"""


def test_scikit_learn_is_not_imported_but_stays_importable() -> None:
    """LightGBM comes alone; user code may still import the others."""
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
