"""What the suites have in common that need more than Python: parts, caches, whether they can run."""
