"""The pipeline that an ML developer hands over: words and holes as they are, two hundred trees."""

from lightgbm import LGBMClassifier
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

NUMBERS = [f"n{i:02d}" for i in range(20)]
WORDS = ["plan", "contract", "payment", "region", "device"]


def build() -> Pipeline:
    """Return the pipeline, not fitted."""
    numbers = Pipeline([("fill", SimpleImputer(strategy="median")), ("scale", StandardScaler())])
    words = OneHotEncoder(handle_unknown="ignore")
    parts = ColumnTransformer([("numbers", numbers, NUMBERS), ("words", words, WORDS)])
    model = LGBMClassifier(n_estimators=200, num_leaves=31, learning_rate=0.05, n_jobs=1)
    return Pipeline([("parts", parts), ("model", model)])
