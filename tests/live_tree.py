"""A simulated host in the place of this machine."""

from rdma_dp.host.tree import DiskTree


class LiveTree(DiskTree):
    """A tree that counts as this machine. Its links are relative, as those of sysfs."""

    @property
    def live(self) -> bool:
        return True
