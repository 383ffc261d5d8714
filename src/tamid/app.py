"""The only wiring: it alone names adapters, and imports each on use."""
