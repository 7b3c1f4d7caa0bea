"""The selectors of a resource as models: the keys, their values and their descriptions.

selector_sets.py has the values that are left when a config was read.
"""

from pydantic import ConfigDict, Field

from rdma_dp.config.selector_sets import Selectors, Traits
from rdma_dp.config.types import (
    ConfigModel,
    DeviceId,
    Driver,
    FunctionTypeName,
    HcaName,
    Interface,
    LinkType,
    NumaNode,
    OneOrSeveral,
    PciAddresses,
    PfName,
    Several,
    VendorId,
    values_of,
)


class TraitsDocument(ConfigModel):
    """Properties to select HCAs by. An absent list is not compared.

    In `exclude`, unknown keys are errors: ignoring one could hand out an HCA that the config
    excludes.
    """

    model_config = ConfigDict(extra="forbid")

    vendors: Several[VendorId] = Field(
        default=(),
        description="PCI vendor IDs, four hex digits. Absent: any vendor.",
        examples=[["15b3"]],
    )
    device_ids: Several[DeviceId] = Field(
        default=(),
        alias="deviceIDs",
        description="PCI device IDs, four hex digits. A VF has a different ID than its PF. "
        "Absent: any device.",
        examples=[["101b", "1021"]],
    )
    drivers: Several[Driver] = Field(
        default=(),
        description="Kernel drivers of the PCI function. Absent: any driver.",
        examples=[["mlx5_core"]],
    )
    if_names: Several[Interface] = Field(
        default=(),
        description="Network interfaces of the HCA: names, alternative names, or globs. The name "
        "of a bond or of one of its slaves selects the HCA of the bond. Absent: any, also HCAs "
        "without an interface.",
        examples=[["ens1f0np0"], ["ens*np0"]],
    )
    link_types: Several[LinkType] = Field(
        default=(),
        description='"ether" (RoCE, iWARP) or "infiniband". Absent: any.',
        examples=[["infiniband"]],
    )
    rdma_devices: Several[HcaName] = Field(
        default=(),
        description="Names of the HCAs, or globs. The number in mlx5_N can change at a reboot. "
        "Absent: any.",
        examples=[["mlx5_[0-3]"]],
    )
    pci_addresses: Several[PciAddresses] = Field(
        default=(),
        description="PCI addresses of the HCA's function (for an SF, of its parent): addresses, "
        "globs, or ranges that include both ends. Absent: any.",
        examples=[["0000:18:00.0"], ["0000:3b:*", "0000:5e:00.2-7", "0000:86:00.2-0000:86:01.1"]],
    )
    pf_names: Several[PfName] = Field(
        default=(),
        description="Network interfaces of the PF, or globs. A name selects the PF and its VFs and "
        "SFs. A name with # and numbers selects only the VFs or SFs with these numbers, as in the "
        "SR-IOV network device plugin. Absent: any.",
        examples=[["ens1f0np0#0-3,7"]],
    )
    function_types: Several[FunctionTypeName] = Field(
        default=(),
        description="The kind of the HCA's function: pf, vf, sf, or virtual for an HCA in "
        "software. Inside a virtual machine, a VF appears as a PF. Absent: any.",
        examples=[["vf"]],
    )
    numa_nodes: Several[NumaNode] = Field(
        default=(),
        description="NUMA nodes of the HCA. Absent: any, also HCAs without a NUMA node.",
        examples=[[0]],
    )

    @property
    def value(self) -> Traits:
        """The selectors as values."""
        return Traits(**values_of(self))


class SelectorsDocument(TraitsDocument):
    """One set of selectors: all of them must match an HCA, each with at least one value."""

    model_config = ConfigDict(extra="ignore")

    exclude: OneOrSeveral[TraitsDocument] = Field(
        default_factory=TraitsDocument,
        description="HCAs to exclude from those that match. An HCA is excluded when at least one "
        "of these selectors matches it, also if they are in a list of objects. Requires another "
        "selector, which takes HCAs.",
        examples=[{"ifNames": ["eth0"]}],
    )

    @property
    def value(self) -> Selectors:
        """The selectors as values."""
        given = self.exclude
        if isinstance(given, TraitsDocument):
            exclude: Traits | tuple[Traits, ...] = given.value
        else:
            exclude = tuple(each.value for each in given)
        return Selectors(**{**values_of(self), "exclude": exclude})
