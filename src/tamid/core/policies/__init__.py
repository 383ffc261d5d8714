"""Policies of retraining, walked over a table of what every model would have done in every week."""
