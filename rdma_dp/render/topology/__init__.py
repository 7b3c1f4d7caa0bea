"""The drawing of a node."""
