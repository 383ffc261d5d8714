"""The wiring of `tamid adopt`: from a file of data to the draft of a contract.

What is inferred is decided in `core/adoption`, what is counted in `stages/counting.py`.
"""
