"""The one read model: what the terminal, --json, the page and the reports say comes from here."""
