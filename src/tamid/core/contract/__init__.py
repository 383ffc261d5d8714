"""The contract: its values, its parser, its JSON Schema and the difference of two."""
