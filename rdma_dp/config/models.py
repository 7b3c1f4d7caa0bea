"""The models of a config: its keys, their values, their descriptions, and the JSON Schema.

`ConfigDocument` is the file. `Config` (node_config.py) has the settings that hold, with the command
line's.

A new setting is a field here, with the reason for its default, beside `selectors` and not inside:
Network Operator's webhook refuses unknown selectors. Parsing, warnings and schema follow the field.
"""

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field

from rdma_dp.config.command_line import Defaults
from rdma_dp.config.dra_settings import DraSettingsDocument
from rdma_dp.config.health_settings import HealthDocument
from rdma_dp.config.metrics_settings import MetricsSettingsDocument
from rdma_dp.config.node_config import (
    CdiMode,
    Config,
    EnvForm,
    Preference,
    Resource,
    SlotsPer,
    Via,
)
from rdma_dp.config.selector_sets import Selectors, joined_sets, one_or_several
from rdma_dp.config.selectors import SelectorsDocument
from rdma_dp.config.types import (
    ConfigModel,
    Flag,
    Interface,
    Management,
    OneOrSeveral,
    ResourceName,
    ResourcePrefix,
    Several,
    Slots,
    Variable,
    WholeNumber,
    at_least_one,
    enum,
    in_tuple,
    one_of,
    values_of,
)
from rdma_dp.config.values import kubernetes
from rdma_dp.formats.list_size import MESSAGE_LIMIT


class ResourceDocument(ConfigModel):
    """An extended resource of the node: the HCAs that it takes, and how it shares them."""

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
        description="The part after the slash of the name that pods request. The Go plugin accepts "
        "only letters, digits and _. This plugin and Kubernetes also accept - and . between them.",
        examples=["rdma_shared_device_a"],
    )
    resource_prefix: ResourcePrefix = Field(
        default=kubernetes.DEFAULT_PREFIX,
        description="The part before the slash of the name that pods request: a lowercase DNS "
        "name. The default is that of the Go plugin.",
        examples=["rdma"],
    )
    rdma_hca_max: Slots = Field(
        description="How many containers can hold the resource at the same time. There is no "
        "default, because no number fits every node. The limit is what fits into one list: kubelet "
        f"accepts {MESSAGE_LIMIT} bytes.",
        examples=[63],
    )
    selectors: OneOrSeveral[SelectorsDocument] = Field(
        default_factory=SelectorsDocument,
        description="The HCAs that the resource takes. At least one selector other than exclude is "
        "required, so that a config does not share every HCA of a node by accident. A list has "
        "several sets of selectors; the resource takes an HCA if any of the sets takes it. The "
        "admission webhook of Network Operator accepts only one object, with vendors, deviceIDs, "
        "drivers, ifNames and linkTypes. Put other selectors into extraSelectors.",
        examples=[{"vendors": ["15b3"]}, [{"deviceIDs": ["101b"]}, {"deviceIDs": ["1021"]}]],
    )
    extra_selectors: OneOrSeveral[SelectorsDocument] = Field(
        default_factory=SelectorsDocument,
        description="More selectors, with the same effect as in selectors, for those that an "
        "admission webhook refuses there. A selector must not be in both. If one of the two is a "
        "list of sets, the other counts for each of its sets.",
        examples=[{"functionTypes": ["pf"], "exclude": {"ifNames": ["eth0"]}}],
    )
    via: Annotated[Via, one_of(Via), enum(Via)] = Field(
        default=Via.PLUGIN,
        description="How pods get the resource. plugin: kubelet's device plugin interface. dra: "
        "Dynamic Resource Allocation, Kubernetes 1.34 and newer: devices in a ResourceSlice, which "
        "pods get by claims, or by their old limits with a device class that has "
        "extendedResourceName.",
        examples=["dra"],
    )
    slots_per: Annotated[SlotsPer, one_of(SlotsPer), enum(SlotsPer)] = Field(
        default=SlotsPer.RESOURCE,
        description="What rdmaHcaMax counts. resource: the slots of the whole resource; a slot "
        "gives a container all HCAs, as in the Go plugin. hca: the slots of each HCA; a slot gives "
        "a container only that HCA, on its NUMA node.",
        examples=["hca"],
    )
    preference: Annotated[Preference, one_of(Preference), enum(Preference)] = Field(
        default=Preference.SPREAD,
        description="With slots per HCA, for containers that request several slots. spread: take "
        "them from as many HCAs as possible, on one NUMA node if possible. pack: take them from as "
        "few HCAs as possible.",
        examples=["spread"],
    )
    topology: Flag | None = Field(
        default=None,
        description="Whether the list has the NUMA node of each slot, for kubelet's topology "
        "manager. The slots of a whole resource have one only if all its HCAs are on the same NUMA "
        "node. Absent: true with slots per HCA, otherwise false, as in the Go plugin.",
        examples=[False],
    )
    device_info: Flag = Field(
        default=False,
        description="With slots per HCA: whether to write a device-info file for each slot. Multus "
        "reads the PCI address and the RDMA device from it.",
        examples=[True],
    )
    env: Mapping[Variable, Annotated[EnvForm, one_of(EnvForm), enum(EnvForm)]] = Field(
        default={},
        description="Additional environment variables with the HCAs of a container. "
        '"hcas": the format of NCCL_IB_HCA (=mlx5_0,mlx5_1), with the ports of an HCA of which the '
        'selectors fit a part (=mlx5_0:2). "ports": the format of UCX_NET_DEVICES '
        "(mlx5_0:1,mlx5_1:1). If two resources of one container set the same "
        "variable, kubelet uses one of them at random.",
        examples=[{"NCCL_IB_HCA": "hcas", "UCX_NET_DEVICES": "ports"}],
        json_schema_extra={"additionalProperties": False},
    )
    management: Management = True
    health: HealthDocument = Field(
        default_factory=HealthDocument,
        description="When the slots of the resource are Healthy.",
        examples=[{"requireActivePort": True, "downSeconds": 5}],
    )
    devices: Several[Interface] = Field(
        default=(),
        description='The old name of "selectors.ifNames"; not together with "selectors".',
        examples=[["ens1f0np0"]],
        json_schema_extra={"deprecated": True},
    )

    @property
    def value(self) -> Resource:
        """The resource, with everything in `selectors`."""
        values = values_of(self)
        sets = joined_sets(
            _sets(self.selectors), values.pop("devices"), _sets(values.pop("extra_selectors"))
        )
        values["selectors"] = sets[0] if len(sets) == 1 else sets
        return Resource(**{**values, "health": self.health.value})


def _sets(found: OneOrSeveral[SelectorsDocument]) -> tuple[Selectors, ...]:
    return one_or_several(tuple(each.value for each in in_tuple(found)))


class ConfigDocument(ConfigModel):
    """The config of rdma-dp, a superset of that of the Go RDMA shared device plugin."""

    periodic_update_interval: WholeNumber = Field(
        default=60,
        ge=0,
        le=2**31 - 1,
        description="Interval between two scans of the node, in seconds. 0 disables the timer. The "
        "default is that of the Go plugin.",
        examples=[60],
    )
    set_links_up: Flag | None = Field(
        default=None,
        description="Whether to set netdevs of selected HCAs up that are administratively down, "
        "once, when they appear. Absent: the value of --set-links-up.",
        examples=[False],
    )
    cdi: Annotated[CdiMode, one_of(CdiMode), enum(CdiMode)] | None = Field(
        default=None,
        description='How containers get their devices. "off": as device nodes. "cri": by CDI names '
        'in the CRI field, for Kubernetes 1.29 and newer. "annotations": by CDI names in '
        'annotations, for older versions. "both": by both. Absent: "cri" with --use-cdi, otherwise '
        '"off".',
        examples=["cri"],
    )
    go_plugin_cdi_names: Flag = Field(
        default=True,
        description="With CDI: whether to also define the CDI names of the Go plugin "
        "(nvidia.com/net-rdma=...) for the HCAs of the node. Containers that were started under "
        "the Go plugin with useCdi need them to restart. New containers do not get these names.",
        examples=[False],
    )
    metrics: MetricsSettingsDocument = Field(
        default_factory=MetricsSettingsDocument,
        description="What the metrics have beside the state of the daemon, if --metrics serves "
        "them.",
        examples=[{"counters": "all", "minInterval": 30}],
    )
    dra: DraSettingsDocument = Field(
        default_factory=DraSettingsDocument,
        description='How resources with "via": "dra" are offered.',
        examples=[{"linkDown": "NoSchedule"}],
    )
    config_list: Annotated[tuple[ResourceDocument, ...], AfterValidator(at_least_one)] = Field(
        description="The resources that the node offers. Each must have a different name.",
        examples=[[{"resourceName": "a", "rdmaHcaMax": 63, "selectors": {"vendors": ["15b3"]}}]],
        json_schema_extra={"minItems": 1},
    )

    def decided(self, defaults: Defaults) -> Config:
        """The settings that hold: the file's, and where it has none, the command line's."""
        cdi = CdiMode.CRI if defaults.use_cdi else CdiMode.OFF
        return Config(
            config_list=tuple(each.value for each in self.config_list),
            periodic_update_interval=self.periodic_update_interval,
            set_links_up=defaults.set_links_up if self.set_links_up is None else self.set_links_up,
            cdi=cdi if self.cdi is None else self.cdi,
            go_plugin_cdi_names=self.go_plugin_cdi_names,
            metrics=self.metrics.value,
            dra=self.dra.value,
        )
