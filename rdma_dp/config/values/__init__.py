"""The words of a config: what they must look like, and how else people spell them."""
