"""The drill: every fault injected into a running server, and what became of it."""
