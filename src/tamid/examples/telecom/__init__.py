"""A telecom operator that wants to lose fewer customers: contract, features and a seeded world."""

from tamid.examples.telecom.story import Regime, Story
from tamid.examples.telecom.world import World, write_day

__all__ = ["Regime", "Story", "World", "write_day"]
