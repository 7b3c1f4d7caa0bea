"""What a node has: frozen values."""
