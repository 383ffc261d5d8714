"""Fitted models as plain numbers: a program that any small interpreter can run, row by row."""
