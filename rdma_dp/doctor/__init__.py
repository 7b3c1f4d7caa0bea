"""Checks of a node, each with a stable id, a verdict, its evidence and a remedy.

`check.py` defines a check, `catalogue.py` lists all checks, `examination.py` runs them on a node.
checks/ has one file for each family of checks. facts/ has what several families need.
"""
