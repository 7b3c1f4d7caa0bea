"""The selectors of a resource: which HCAs it takes, and which of these it leaves out."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Self

from pydantic import ConfigDict, Field

from rdma_dp.config.types import (
    ConfigModel,
    DeviceId,
    FunctionTypeName,
    GlobOfNames,
    LinkType,
    NumaNode,
    PciAddresses,
    PfName,
    Several,
    Text,
    VendorId,
)
from rdma_dp.config.values.globs import compile_globs
from rdma_dp.config.values.matchers import EqualMatcher, Matcher
from rdma_dp.config.values.pci_addresses import compile_addresses
from rdma_dp.config.values.pf_names import compile_pf_names


class Traits(ConfigModel):
    """What HCAs can be known by. An absent list says nothing.

    On its own it is what to leave out, and nothing in it is passed over: an HCA that somebody
    meant to keep back would be handed out.
    """

    model_config = ConfigDict(extra="forbid")

    vendors: Several[VendorId] = Field(
        default=(),
        description="PCI vendor ids, four hex digits. Absent: any vendor.",
        examples=[["15b3"]],
    )
    device_ids: Several[DeviceId] = Field(
        default=(),
        alias="deviceIDs",
        description="PCI device ids, four hex digits. A VF has an id of its own. Absent: any.",
        examples=[["101b", "1021"]],
    )
    drivers: Several[Text] = Field(
        default=(),
        description="Kernel drivers that the PCI function is bound to. Absent: any driver.",
        examples=[["mlx5_core"]],
    )
    if_names: Several[Text] = Field(
        default=(),
        description="Network interfaces of the HCA, also by an alternative name or a glob; a bond "
        "or one of its slaves names the HCA of the bond. Absent: any, also HCAs without an "
        "interface.",
        examples=[["ens1f0np0"], ["ens*np0"]],
    )
    link_types: Several[LinkType] = Field(
        default=(),
        description='"ether" (RoCE, iWARP) or "infiniband". Absent: any.',
        examples=[["infiniband"]],
    )
    rdma_devices: Several[GlobOfNames] = Field(
        default=(),
        description="Names of the HCAs themselves, or globs of them; mind that a reboot can number "
        "mlx5_N anew. Absent: any.",
        examples=[["mlx5_[0-3]"]],
    )
    pci_addresses: Several[PciAddresses] = Field(
        default=(),
        description="PCI addresses of the HCA's function (for an SF its parent's): addresses, "
        "globs, and ranges of which the end is included. Absent: any.",
        examples=[["0000:18:00.0"], ["0000:3b:*", "0000:5e:00.2-7", "0000:86:00.2-0000:86:01.1"]],
    )
    pf_names: Several[PfName] = Field(
        default=(),
        description="Network interfaces of the PF, or globs of them: the PF and its VFs and SFs; "
        "with # and numbers behind the name only those VFs or SFs, as in the SR-IOV network "
        "device plugin. Absent: any.",
        examples=[["ens1f0np0#0-3,7"]],
    )
    function_types: Several[FunctionTypeName] = Field(
        default=(),
        description="What the HCA sits on: a PF, a VF, an SF, or nothing but software (virtual). "
        "Inside a virtual machine a VF looks like a PF. Absent: any.",
        examples=[["vf"]],
    )
    numa_nodes: Several[NumaNode] = Field(
        default=(),
        description="NUMA nodes that the HCA is attached to. Absent: any, also HCAs without one.",
        examples=[[0]],
    )

    def joined(self, other: Self) -> Self:
        """What is given here, and beside it what is given only there."""
        return self.model_copy(update=_given(other) | _given(self))


class Selectors(Traits):
    """Which HCAs a resource takes: all selectors must match, any value within one is enough."""

    model_config = ConfigDict(extra="ignore")

    exclude: Traits = Field(
        default_factory=Traits,
        description="HCAs to leave out of those that match: whatever any one of these selectors "
        "matches. On its own it does not say which HCAs to take.",
        examples=[{"ifNames": ["eth0"]}],
    )

    def joined(self, other: Self) -> Self:
        """What is given here, and beside it what is given only there; exclude likewise."""
        exclude = self.exclude.joined(other.exclude)
        return super().joined(other).model_copy(update={"exclude": exclude})


# How the values of a selector are compared, by field; all others are compared for equality.
_COMPILERS: Mapping[str, Callable[[Iterable[str]], Matcher[Any]]] = MappingProxyType(
    {
        "if_names": compile_globs,
        "rdma_devices": compile_globs,
        "pci_addresses": compile_addresses,
        "pf_names": compile_pf_names,
    }
)


def compiled(traits: Traits) -> Mapping[str, Matcher[Any]]:
    """A matcher for each selector that is given, by field name ("if_names"), in field order.

    Call it once per config: compiling takes longer than comparing. `exclude` is not in it; compile
    `selectors.exclude` separately.
    """
    return {
        name: _COMPILERS.get(name, EqualMatcher)(values)
        for name, values in _given(traits).items()
        if name in Traits.model_fields
    }


def _given(traits: Traits) -> dict[str, Any]:
    return {name: values for name, values in traits if values}
