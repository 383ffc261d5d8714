"""What listens: protocols, limits and pages around a brain."""
