"""What the tasks of DRA share."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rdma_dp.aio.directory_watch import DirectoryWatch
from rdma_dp.aio.latest import Observable
from rdma_dp.config import Config
from rdma_dp.formats.names import NODE_NAME
from rdma_dp.host.files import Host
from rdma_dp.kubelet.directories import KubeletDirectories
from rdma_dp.metrics import Metrics
from rdma_dp.sharing.state import NodeState

POD_UID = "POD_UID"  # deploy/ sets it from metadata.uid by the downward API


@dataclass(frozen=True, slots=True)
class DraParts:
    """What the daemon gives to DRA.

    `states` are all states of the node. `served` are the full names of the resources that kubelet
    may still ask the device plugin for. `plugins_registry` is a watch that runs. `environment` is
    that of the process.
    """

    states: Observable[NodeState]
    served: Observable[frozenset[str]]
    host: Host
    directories: KubeletDirectories
    plugins_registry: DirectoryWatch
    cdi_directory: Path
    metrics: Metrics
    environment: Mapping[str, str]

    @property
    def node(self) -> str:
        """The name of this node in the cluster, "" if the environment has none."""
        return self.environment.get(NODE_NAME, "")


def offers(config: Config, driver: str) -> bool:
    """Whether the config offers a resource under this driver's name."""
    return config.uses_dra and config.dra.driver_name == driver
