"""Drawings of a node: its PCIe tree, and the distances between GPUs and HCAs."""
