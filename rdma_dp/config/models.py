"""What a config holds: resources, and what concerns the node as a whole.

`ConfigDocument` is the file; `Config` is what holds after the command line was heard.

A new setting is a field here, beside the reason for its default: a sibling of `selectors`, never
inside (the operator's webhook refuses selectors that it does not know). Reading it, the warnings
about its spelling and the JSON Schema follow from the field.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field

from rdma_dp.config.selectors import Selectors
from rdma_dp.config.types import (
    ConfigModel,
    Flag,
    ResourceName,
    ResourcePrefix,
    Several,
    Slots,
    Text,
    Variable,
    WholeNumber,
    at_least_one,
    enum,
    one_of,
)
from rdma_dp.config.values import kubernetes
from rdma_dp.formats.list_limit import MESSAGE_LIMIT


class SlotsPer(StrEnum):
    """What rdmaHcaMax counts the slots of."""

    RESOURCE = "resource"
    HCA = "hca"


class Preference(StrEnum):
    """Which slots kubelet is asked to take for a container that wants several."""

    SPREAD = "spread"
    PACK = "pack"


class CdiMode(StrEnum):
    """How a container gets its devices: as device nodes, or by CDI names for the runtime."""

    OFF = "off"
    CRI = "cri"
    ANNOTATIONS = "annotations"
    BOTH = "both"


class EnvForm(StrEnum):
    """How an environment variable names the HCAs of a container."""

    HCAS = "hcas"  # as NCCL_IB_HCA takes whole names: "=mlx5_0,mlx5_1"
    PORTS = "ports"  # as UCX_NET_DEVICES takes ports: "mlx5_0:1,mlx5_1:1"


class Health(ConfigModel):
    """When the slots of a resource count as Healthy."""

    require_active_port: Flag = Field(
        default=True,
        description="Whether at least one HCA must have an ACTIVE port. With false, an HCA whose "
        "device nodes are there is enough, as in the Go plugin.",
        examples=[True],
    )
    down_seconds: WholeNumber = Field(
        default=5,
        ge=0,
        le=86400,
        description="Seconds without any ACTIVE port before the slots turn Unhealthy: a flapping "
        "link must not flap the list. An ACTIVE port makes them Healthy at once.",
        examples=[5],
    )


class Resource(ConfigModel):
    """One extended resource of the node: the HCAs that it takes and how often it shares them."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": ["selectors"]},
                {"required": ["extraSelectors"]},
                {"required": ["devices"]},
            ],
            "not": {"required": ["selectors", "devices"]},
        }
    )

    resource_name: ResourceName = Field(
        description="What pods ask for, behind the slash. The Go plugin knows letters, digits "
        "and _ only; Kubernetes and this plugin also take - and . inside.",
        examples=["rdma_shared_device_a"],
    )
    resource_prefix: ResourcePrefix = Field(
        default=kubernetes.DEFAULT_PREFIX,
        description="What pods ask for, before the slash: a lowercase DNS name. The default is "
        "the Go plugin's.",
        examples=["rdma"],
    )
    rdma_hca_max: Slots = Field(
        description="How many containers may hold the resource at the same time. There is no "
        "default because none is right for everybody; the limit is what fits into "
        f"kubelet's {MESSAGE_LIMIT} bytes for one list.",
        examples=[63],
    )
    selectors: Selectors = Field(
        default_factory=Selectors,
        description="Which HCAs the resource takes. At least one selector beside exclude must be "
        "given, so that nobody shares every HCA of a node by an accident. The admission webhook of "
        "Network Operator knows vendors, deviceIDs, drivers, ifNames and linkTypes only and "
        "refuses others here: they have a place in extraSelectors, too.",
        examples=[{"vendors": ["15b3"]}],
    )
    extra_selectors: Selectors = Field(
        default_factory=Selectors,
        description="Further selectors, as if they stood in selectors: a place for those that an "
        "admission webhook refuses there. Each one in one place only.",
        examples=[{"functionTypes": ["pf"], "exclude": {"ifNames": ["eth0"]}}],
    )
    slots_per: Annotated[SlotsPer, one_of(SlotsPer), enum(SlotsPer)] = Field(
        default=SlotsPer.RESOURCE,
        description="What rdmaHcaMax counts: the slots of the whole resource, each of which gives "
        "a container all HCAs, as in the Go plugin; or the slots of each HCA, each of which gives "
        "a container that HCA alone, on its NUMA node.",
        examples=["hca"],
    )
    preference: Annotated[Preference, one_of(Preference), enum(Preference)] = Field(
        default=Preference.SPREAD,
        description="With slots per HCA: whether several slots of one container come from as many "
        "HCAs as possible (on one NUMA node, if possible), or from as few as possible.",
        examples=["spread"],
    )
    topology: Flag | None = Field(
        default=None,
        description="Whether slots carry the NUMA node of their HCA, for kubelet's topology "
        "manager; those of a whole resource only if all its HCAs share one. Absent: with slots per "
        "HCA yes, else no, as in the Go plugin.",
        examples=[False],
    )
    device_info: Flag = Field(
        default=False,
        description="With slots per HCA: whether to write a device-info file per slot, from which "
        "Multus learns the PCI address and the RDMA device.",
        examples=[True],
    )
    env: Mapping[Variable, Annotated[EnvForm, one_of(EnvForm), enum(EnvForm)]] = Field(
        default={},
        description="Environment variables that name the HCAs of a container, beside our own: "
        '"hcas" as NCCL_IB_HCA takes them (=mlx5_0,mlx5_1), "ports" as UCX_NET_DEVICES does '
        "(mlx5_0:1,mlx5_1:1). If two resources of one container set the same variable, kubelet "
        "takes either, at random.",
        examples=[{"NCCL_IB_HCA": "hcas", "UCX_NET_DEVICES": "ports"}],
        json_schema_extra={"additionalProperties": False},
    )
    health: Health = Field(
        default_factory=Health,
        description="When the slots count as Healthy.",
        examples=[{"requireActivePort": True, "downSeconds": 5}],
    )
    devices: Several[Text] = Field(
        default=(),
        description='The old name of "selectors.ifNames"; not together with "selectors".',
        examples=[["ens1f0np0"]],
        json_schema_extra={"deprecated": True},
    )

    @property
    def per_hca(self) -> bool:
        """Whether each slot belongs to one HCA."""
        return self.slots_per is SlotsPer.HCA

    @property
    def tells_topology(self) -> bool:
        """Whether slots carry a NUMA node, where there is one to tell."""
        return self.per_hca if self.topology is None else self.topology

    @property
    def full_name(self) -> str:
        """The name that kubelet and pods use: "rdma/rdma_shared_device_a"."""
        return f"{self.resource_prefix}/{self.resource_name}"


class ConfigDocument(ConfigModel):
    """Configuration of rdma-dp, a superset of the Go RDMA shared device plugin's."""

    periodic_update_interval: WholeNumber = Field(
        default=60,
        ge=0,
        le=2**31 - 1,
        description="Seconds between two looks at the node's hardware; 0: no timer. The default "
        "is the Go plugin's.",
        examples=[60],
    )
    set_links_up: Flag | None = Field(
        default=None,
        description="Whether to set the administratively down netdevs of chosen HCAs up, once, "
        "when they appear. Absent: as the command line says.",
        examples=[False],
    )
    cdi: Annotated[CdiMode, one_of(CdiMode), enum(CdiMode)] | None = Field(
        default=None,
        description='How containers get their devices: "off": device nodes. "cri": CDI names in '
        'the CRI field, Kubernetes 1.29 and newer. "annotations": CDI names in annotations, for '
        'older ones. "both". Absent: as --use-cdi says, which means "cri".',
        examples=["cri"],
    )
    config_list: Annotated[tuple[Resource, ...], AfterValidator(at_least_one)] = Field(
        description="The resources that the node offers. Names must differ.",
        examples=[[{"resourceName": "a", "rdmaHcaMax": 63, "selectors": {"vendors": ["15b3"]}}]],
        json_schema_extra={"minItems": 1},
    )

    def decided(self, defaults: "Defaults") -> "Config":
        """The settings that hold: the file's, and where it has none, the command line's."""
        cdi = CdiMode.CRI if defaults.use_cdi else CdiMode.OFF
        return Config(
            config_list=tuple(_with_one_place_of_selectors(each) for each in self.config_list),
            periodic_update_interval=self.periodic_update_interval,
            set_links_up=defaults.set_links_up if self.set_links_up is None else self.set_links_up,
            cdi=cdi if self.cdi is None else self.cdi,
        )


def _with_one_place_of_selectors(resource: Resource) -> Resource:
    """Joins `devices` and `extraSelectors` with `selectors`, and leaves the first two empty."""
    if not resource.devices and resource.extra_selectors == Selectors():
        return resource
    named = Selectors(if_names=resource.devices)
    selectors = resource.selectors.joined(named).joined(resource.extra_selectors)
    others = {"devices": (), "extra_selectors": Selectors()}
    return resource.model_copy(update={"selectors": selectors, **others})


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the command line decides where the config says nothing: --use-cdi, --set-links-up."""

    use_cdi: bool = False
    set_links_up: bool = False


NO_DEFAULTS = Defaults()


@dataclass(frozen=True, slots=True)
class Config:
    """The settings that hold, all decided. The loader makes it; nothing later asks who decides.

    All selectors of a resource are in `selectors`. `periodic_update_interval` is in seconds; 0
    means no timer.
    """

    config_list: tuple[Resource, ...] = ()
    periodic_update_interval: int = 60
    set_links_up: bool = False
    cdi: CdiMode = CdiMode.OFF


EMPTY_CONFIG = Config()
