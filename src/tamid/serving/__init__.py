"""The model server: an edge beside the command line, which answers one row at a time.

It imports no library that trains or reads tables, and writes neither ledger nor tables.
"""
