"""The machine: files, processes, netlink, events."""
