"""The machine: its files, processes, netlink and events."""
