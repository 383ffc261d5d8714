"""From a file of data to the draft of a contract: what can be inferred, and what must be asked."""
