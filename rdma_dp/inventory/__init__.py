"""The hardware of a node as frozen values, and the verdicts on it."""
