"""A cluster of one node. Everything in it is started as users start it."""
