"""Learning as pure values: feature tables and learners, fair splits, choices, the bundle."""
