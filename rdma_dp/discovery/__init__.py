"""From a host's /sys, /dev and RDMA netlink to an Inventory."""

from rdma_dp.discovery.scan import scan

__all__ = ["scan"]
