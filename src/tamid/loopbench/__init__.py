"""LoopBench: the closed loop measured on a folder of data sets, null sets and injected events.

Nothing here is tuned to a data set: one setting for all. What is measured are the product's own
functions (alarms, diagnosis, window choice, policy walk); this package only feeds and times them.
"""
