"""Engines that run compiled models, from the fastest to the plainest."""

from tamid.adapters.engines.batchmodel import ProgramModel
from tamid.adapters.engines.opening import ENGINES, Golden, Tried, golden_difference, open_engine
from tamid.adapters.engines.rowmodel import CompiledRowModel
from tamid.adapters.engines.seam import Engine

__all__ = [
    "ENGINES", "CompiledRowModel", "Engine", "Golden", "ProgramModel", "Tried", "golden_difference",
    "open_engine",
]  # fmt: skip
