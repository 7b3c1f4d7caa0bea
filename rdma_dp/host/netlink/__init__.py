"""What the kernel says by netlink."""
