"""A pipeline is taken out of a script with what it needs, or the reason why not is said."""

from __future__ import annotations

import pytest

from tamid.core.adoption.script import taken_over
from tamid.core.errors import UserCodeError

NOTEBOOK = """
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

df = pd.read_csv("customers.csv")
NUMBERS = ["tenure",
           "charges"]
C = 0.5


def scaler():
    # by columns
    return StandardScaler(with_mean=len(NUMBERS) > 0)


pipe = make_pipeline(
    scaler(),
    LogisticRegression(C=C),
)
pipe.fit(df[NUMBERS], df["left"])
print(pipe.score(df[NUMBERS], df["left"]))
"""


def built(source: str) -> object:
    """Return what `build` of the taken code makes."""
    scope: dict[str, object] = {}
    exec(compile(taken_over(source, "train.py").text, "model.py", "exec"), scope)
    make = scope["build"]
    assert callable(make)
    return make()


def test_a_notebooks_pipeline_is_taken_without_its_data() -> None:
    """Constants and helpers come along, pandas and the rows stay behind."""
    found = taken_over(NOTEBOOK, "train.py")
    assert "read_csv" not in found.text
    assert "pandas" not in found.modules
    assert "# by columns" in found.text
    assert "pipe in line" in found.found
    made = built(NOTEBOOK)
    assert [name for name, _ in made.steps] == ["standardscaler", "logisticregression"]  # type: ignore[attr-defined]
    assert made.steps[1][1].C == 0.5  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["build", "build_pipeline", "make_churn_model", "get_classifier"])
def test_a_function_by_its_name_goes_first(name: str) -> None:
    """The function is meant, not what the script made to try it."""
    script = f"def {name}(c=2):\n    return ['mine', c]\n\n\nmodel = RandomClassifier()\n"
    assert built(script) == ["mine", 2]


def test_a_function_that_says_what_it_returns() -> None:
    """A type or a returned Pipeline tells it under any name."""
    assert built("def mine() -> 'Pipeline':\n    return 7\n") == 7
    script = "def Pipeline(x):\n    return x\n\n\ndef prepare():\n    return Pipeline(8)\n"
    assert built(script) == 8


def test_of_several_the_fitted_one_is_taken() -> None:
    """A script that tries two models means the one that it fits at last."""
    script = "def Pipeline(x):\n    return x\na = Pipeline(1)\nb = Pipeline(2)\nb.fit(0)\n"
    assert built(script) == 2


@pytest.mark.parametrize(
    ("script", "what"),
    [
        ("x = 1", "no pipeline was found"),
        ("def (", "is no Python"),
        ("d = read_csv('a')\npipe = Pipeline(list(d.columns))", "made out of data"),
        ("pipe = Pipeline(1)\npipe.set_params(a=2)", "changed in line 2"),
        ("n = 1\nn = 2\npipe = Pipeline(n)", "made more than once"),
        ("k = {}\nk['a'] = 1\npipe = Pipeline(k)", "changed in line 2"),
        ("def build(data):\n    return data", "no pipeline was found"),
    ],
)
def test_what_cannot_be_taken_is_said(script: str, what: str) -> None:
    """Each reason is its own, and the fix says what to write."""
    with pytest.raises(UserCodeError, match=what) as raised:
        taken_over(script, "train.py")
    assert raised.value.remedy
