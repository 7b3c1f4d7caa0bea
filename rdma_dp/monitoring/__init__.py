"""Metrics and probes: what the daemon shows of itself to programs."""
