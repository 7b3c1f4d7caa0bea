"""Questions to the kernel by netlink."""
