"""Shared by the suites that need more than Python: parts, caches, and whether they can run."""
