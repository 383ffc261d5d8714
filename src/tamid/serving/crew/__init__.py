"""Several processes on one port: a lead that keeps them alive, and mates that count together."""
