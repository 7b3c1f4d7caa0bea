"""What a config says, as plain values: what all other packages read.

models.py has the same fields as models of pydantic, which check what a file has, and describe it.
This module loads no pydantic: it takes 14 MB, which the daemon does without
(daemon/config_parsing.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from rdma_dp.config.problems import Problem
from rdma_dp.config.selector_sets import Selectors, one_or_several
from rdma_dp.config.values import kubernetes

# Users write it into device classes and CEL expressions, so it must not change.
DEFAULT_DRIVER = "hca.rdma-dp.dev"


class SlotsPer(StrEnum):
    """What rdmaHcaMax counts: slots of the resource, or slots of each HCA."""

    RESOURCE = "resource"
    HCA = "hca"


class Preference(StrEnum):
    """Which slots to prefer for a container that requests several."""

    SPREAD = "spread"
    PACK = "pack"


class CdiMode(StrEnum):
    """How a container gets its devices: as device nodes, or by CDI names for the runtime."""

    OFF = "off"
    CRI = "cri"
    ANNOTATIONS = "annotations"
    BOTH = "both"


class EnvForm(StrEnum):
    """The format of an environment variable with the HCAs of a container."""

    HCAS = "hcas"  # NCCL_IB_HCA, with exact names: "=mlx5_0,mlx5_1"
    PORTS = "ports"  # UCX_NET_DEVICES, with ports: "mlx5_0:1,mlx5_1:1"


class Via(StrEnum):
    """How pods get a resource: from kubelet's device plugin manager, or by claims."""

    PLUGIN = "plugin"
    DRA = "dra"


class LinkDown(StrEnum):
    """The taint of a device whose HCAs have no ACTIVE port."""

    NONE = "none"
    NO_SCHEDULE = "NoSchedule"


class DraSlots(StrEnum):
    """How the slots of a resource become devices."""

    SHARED = "shared"  # one device that several claims share
    EACH = "each"  # one device for each slot


class CountersLevel(StrEnum):
    """Which counters of ports the metrics have."""

    NONE = "none"
    TROUBLE = "trouble"  # traffic, errors and congestion
    ALL = "all"


class PodMetrics(StrEnum):
    """What the metrics have about pods."""

    NONE = "none"
    ALLOCATIONS = "allocations"
    QUEUE_PAIRS = "queuePairs"


@dataclass(frozen=True, kw_only=True)
class Health:
    """When the slots of a resource are Healthy. `down_seconds` is the time without ACTIVE port."""

    require_active_port: bool = True
    down_seconds: int = 5


@dataclass(frozen=True, kw_only=True)
class MetricsSettings:
    """What the metrics have beside the state of the daemon. `min_interval` is in seconds."""

    counters: CountersLevel = CountersLevel.TROUBLE
    min_interval: int = 15
    pods: PodMetrics = PodMetrics.NONE
    pauses: bool = False


@dataclass(frozen=True, kw_only=True)
class DraSettings:
    """How resources via DRA are offered. `pcie_roots` has a root for the PCI address of an HCA."""

    driver_name: str = DEFAULT_DRIVER
    link_down: LinkDown = LinkDown.NO_SCHEDULE
    pcie_roots: Mapping[str, str] = field(default_factory=dict)
    claim_status: bool = False
    slots: DraSlots = DraSlots.SHARED


@dataclass(frozen=True, kw_only=True)
class Resource:
    """An extended resource of the node: the HCAs that it takes, and how it shares them.

    `selectors` is one set, or several; `selector_sets` has them as a tuple.
    """

    resource_name: str
    rdma_hca_max: int
    resource_prefix: str = kubernetes.DEFAULT_PREFIX
    selectors: Selectors | tuple[Selectors, ...] = field(default_factory=Selectors)
    via: Via = Via.PLUGIN
    slots_per: SlotsPer = SlotsPer.RESOURCE
    preference: Preference = Preference.SPREAD
    topology: bool | None = None
    device_info: bool = False
    env: Mapping[str, EnvForm] = field(default_factory=dict)
    management: bool = True
    health: Health = field(default_factory=Health)

    @property
    def selector_sets(self) -> tuple[Selectors, ...]:
        """The sets of selectors, at least one. The resource takes an HCA if any set takes it."""
        return one_or_several(self.selectors)

    @property
    def per_hca(self) -> bool:
        """Whether each slot belongs to one HCA."""
        return self.slots_per is SlotsPer.HCA

    @property
    def tells_topology(self) -> bool:
        """Whether the list has the NUMA node of each slot, if the slot has one."""
        return self.per_hca if self.topology is None else self.topology

    @property
    def full_name(self) -> str:
        """The name that kubelet and pods use: "rdma/rdma_shared_device_a"."""
        return f"{self.resource_prefix}/{self.resource_name}"


@dataclass(frozen=True, slots=True)
class Config:
    """The settings that hold, all decided. The loader makes it; nothing later asks who decides.

    `periodic_update_interval` is in seconds; 0 means no timer.
    """

    config_list: tuple[Resource, ...] = ()
    periodic_update_interval: int = 60
    set_links_up: bool = False
    cdi: CdiMode = CdiMode.OFF
    go_plugin_cdi_names: bool = True
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    dra: DraSettings = field(default_factory=DraSettings)

    @property
    def uses_dra(self) -> bool:
        """Whether pods get some resource by DRA."""
        return any(resource.via is Via.DRA for resource in self.config_list)


EMPTY_CONFIG = Config()


@dataclass(frozen=True)
class Accepted:
    """A config that can be used, and warnings about what it was made of."""

    config: Config
    warnings: tuple[Problem, ...] = ()
