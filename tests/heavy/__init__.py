"""What the suites that need more than Python share: parts, caches, whether they can run."""
