"""Worked examples: contracts, user code and seeded worlds to try the loop on."""
