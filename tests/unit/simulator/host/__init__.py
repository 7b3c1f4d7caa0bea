"""Stand-in hosts: what the samples look like, and what can happen to them."""
