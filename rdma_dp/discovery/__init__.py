"""Makes an Inventory from a host's /sys, /dev and RDMA netlink."""

from rdma_dp.discovery.scan import scan

__all__ = ["scan"]
