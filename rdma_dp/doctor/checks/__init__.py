"""The families of checks."""
