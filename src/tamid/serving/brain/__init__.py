"""What answers: versions that are loaded, the ladder between them, and the ledger they follow."""
