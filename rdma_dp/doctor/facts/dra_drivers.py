"""The DRA drivers of rdma-dp that answer on a node whose config offers a resource by DRA."""

from rdma_dp.config import Config
from rdma_dp.doctor.check import Finding, not_checked
from rdma_dp.kubelet.statuses import DriverStatus
from rdma_dp.kubelet.views import KubeletView
from rdma_dp.node.view import NodeView

NO_VIEW = not_checked("kubelet was not queried", because="kubelet-socket")
_NO_DRIVER = not_checked("no DRA driver of rdma-dp answers", because="dra-driver")


def dra_config(node: NodeView) -> Config | None:
    """The config, if it offers a resource by DRA."""
    found = node.config.config
    return found if found is not None and found.uses_dra else None


def statuses(view: KubeletView, config: Config) -> tuple[DriverStatus, ...]:
    """What the instances of the config's driver report."""
    return tuple(each for each in view.drivers if each.driver == config.dra.driver_name)


def running(node: NodeView) -> tuple[DriverStatus, ...] | Finding:
    """The drivers of the config that answer; () without a resource via DRA."""
    config, view = dra_config(node), node.answers.kubelet
    if config is None:
        return ()
    if view is None:
        return NO_VIEW
    return statuses(view, config) or _NO_DRIVER
