"""Checks of a node, each with a stable id, a verdict, its evidence and a remedy.

`node.py` is what they look at, `check.py` what they are, `catalogue.py` all of them; each other
file is a family of checks. `examination.py` lets them look.
"""
