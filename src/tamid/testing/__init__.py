"""Suites of laws, one per port, for authors of adapters: subclass one and give the fixture."""
