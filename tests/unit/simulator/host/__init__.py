"""Simulated hosts: the trees of the samples, and their changes."""
