"""A node as a source: this machine, a captured tree, or a snapshot."""
