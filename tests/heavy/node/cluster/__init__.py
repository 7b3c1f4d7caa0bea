"""A cluster of one node: what users run, started as users start it."""
