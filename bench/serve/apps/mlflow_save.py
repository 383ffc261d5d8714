"""Saves the pipeline as MLflow has it: `mlflow_save.py PICKLE FOLDER`."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import mlflow.sklearn

pipeline = pickle.loads(Path(sys.argv[1]).read_bytes())
mlflow.sklearn.save_model(
    pipeline, sys.argv[2], pyfunc_predict_fn="predict_proba", serialization_format="cloudpickle"
)
