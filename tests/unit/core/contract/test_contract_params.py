"""The parameters that a contract may set are those that the libraries know."""

from __future__ import annotations

import inspect

import pytest
from lightgbm.basic import _ConfigAliases
from sklearn.linear_model import LogisticRegression, Ridge

from tamid.adapters.lightgbm import LightGBMLearner
from tamid.core.contract.params import KNOWN, RANGES
from tamid.core.values import Task


def test_lightgbm_knows_every_name() -> None:
    """No name is made up, and what the search tries may be set."""
    theirs = _ConfigAliases._get_all_param_aliases()  # noqa: SLF001 - the library's own list
    known = {name for canonical, names in theirs.items() for name in (canonical, *names)}
    assert known >= KNOWN["lightgbm"]
    assert set(LightGBMLearner(Task.BINARY).space()) <= KNOWN["lightgbm"]


@pytest.mark.parametrize(("name", "model"), [("logistic", LogisticRegression), ("ridge", Ridge)])
def test_scikit_learn_knows_every_name(name: str, model: type) -> None:
    """No name is made up."""
    assert set(inspect.signature(model).parameters) >= KNOWN[name]


def test_every_range_is_of_a_known_name() -> None:
    """A range of a name that is refused would judge nothing."""
    assert all(name in KNOWN[model] for model, name in RANGES)
