"""A process that only predicts starts without what only fitting needs."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np

from tamid.adapters.lightgbm import LightGBMLearner
from tamid.core.learning.model import Feature, FeatureTable
from tamid.core.values import Task

CODE = """
import sys
from tamid.adapters.lightgbm import begin_to_predict
begin_to_predict()
assert "lightgbm" in sys.modules
assert "sklearn" not in sys.modules and "pandas" not in sys.modules
assert not [name for name in sys.modules if name.startswith("scipy")]
import scipy.sparse, sklearn
assert sklearn.__version__ and scipy.sparse.csr_matrix([[1.0]]).sum() == 1.0
"""

PREDICT = """
import json, sys
import numpy as np
from tamid.adapters import lightgbm
from tamid.core.learning.model import Feature, FeatureTable, StoredModel
lightgbm.begin_to_predict()
files = {"model.txt": sys.stdin.read().encode()}
model = lightgbm.load(StoredModel(format="lightgbm-text", files=files))
x = FeatureTable(features=(Feature(name="a"),), values=np.linspace(-1.0, 1.0, 200)[:, None])
print(json.dumps([model.predict(x).tolist(), model.contributions(x).tolist()]))
"""


def test_scikit_learn_is_not_imported_but_stays_importable() -> None:
    """LightGBM comes alone; user code may still import the others."""
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_it_answers_is_what_the_fitting_process_answers() -> None:
    """Scores and reasons of a stored model are the same without SciPy, and with two threads."""
    values = np.random.default_rng(0).normal(size=(400, 1))
    x = FeatureTable(features=(Feature(name="a"),), values=values)
    model = LightGBMLearner(Task.BINARY).fit(
        x, (values[:, 0] > 0).astype(float), np.ones(400), {"num_iterations": 5}, 1
    )
    text = model.dump().files["model.txt"].decode()
    done = subprocess.run(
        [sys.executable, "-c", PREDICT], input=text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    asked = FeatureTable(features=x.features, values=np.linspace(-1.0, 1.0, 200)[:, None])
    alone = (asked.take(np.arange(200) == i) for i in range(200))
    one_by_one = [model.contributions(row)[0].tolist() for row in alone]
    assert json.loads(done.stdout) == [model.predict(asked).tolist(), one_by_one]
