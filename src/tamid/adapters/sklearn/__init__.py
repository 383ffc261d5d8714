"""scikit-learn: built-in linear models, users' pipelines, and their safe storage."""

from tamid.adapters.sklearn.given import opened, recipe_of
from tamid.adapters.sklearn.learners import LinearLearner, PipelineLearner
from tamid.adapters.sklearn.models import SklearnModel, Store, load
from tamid.adapters.sklearn.program import compiled

__all__ = [
    "LinearLearner", "PipelineLearner", "SklearnModel", "Store", "compiled", "load", "opened",
    "recipe_of",
]  # fmt: skip
