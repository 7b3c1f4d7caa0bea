"""The families of checks, one file each."""
