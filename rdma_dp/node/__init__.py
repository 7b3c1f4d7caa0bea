"""A node to look at: live, a tree, or a snapshot."""
