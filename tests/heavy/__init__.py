"""What the suites that need more than Python have in common: parts, caches, whether they can run."""
