"""The wiring of worker processes, and of their in-process double: it names adapters as app.py does.

A worker runs what the controller never runs: user code, fits, models.
"""

from tamid.workshop.answers import inline_scorer, spawn_scorer
from tamid.workshop.given import refuse_unlike
from tamid.workshop.process import serve
from tamid.workshop.rowmodels import open_row_model
from tamid.workshop.stores import pipeline_file
from tamid.workshop.tools import bare_learner, dry_run, inline_trainer, parse

__all__ = [
    "bare_learner", "dry_run", "inline_scorer", "inline_trainer", "open_row_model", "parse",
    "pipeline_file", "refuse_unlike",
    "serve", "spawn_scorer",
]  # fmt: skip
