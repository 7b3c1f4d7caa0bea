"""Ids, names and sizes that others rely on: they outlive a process."""
