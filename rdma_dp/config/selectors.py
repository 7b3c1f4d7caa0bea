"""The selectors of a resource: which HCAs it takes, and which of them it excludes."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import product
from types import MappingProxyType
from typing import Any, Self

from pydantic import ConfigDict, Field, ValidationError

from rdma_dp.config.spelling import tidy
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
)
from rdma_dp.config.values.globs import compile_globs
from rdma_dp.config.values.hca_traits import FUNCTION_TYPES
from rdma_dp.config.values.matchers import EqualMatcher, Matcher
from rdma_dp.config.values.pci_addresses import compile_addresses
from rdma_dp.config.values.pf_names import compile_pf_names


class Traits(ConfigModel):
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

    @cached_property
    def matchers(self) -> Mapping[str, Matcher[Any]]:
        """The matchers of the selectors that are given, compiled at the first use."""
        return compiled(self)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy, without what was derived from this one: an updated copy has other values."""
        copied = super().model_copy(update=update, deep=deep)
        for derived in ("matchers", "excluding"):
            copied.__dict__.pop(derived, None)
        return copied

    def joined(self, other: Self) -> Self:
        """These selectors, with those of `other` that are absent here."""
        return self.model_copy(update=_given(other) | _given(self))


class Selectors(Traits):
    """One set of selectors: all of them must match an HCA, each with at least one value."""

    model_config = ConfigDict(extra="ignore")

    exclude: OneOrSeveral[Traits] = Field(
        default_factory=Traits,
        description="HCAs to exclude from those that match. An HCA is excluded when at least one "
        "of these selectors matches it, also if they are in a list of objects. Requires another "
        "selector, which takes HCAs.",
        examples=[{"ifNames": ["eth0"]}],
    )

    @cached_property
    def excluding(self) -> Traits:
        """The selectors of `exclude`: those of a list together."""
        if isinstance(self.exclude, Traits):
            return self.exclude
        merged: dict[str, tuple[Any, ...]] = {}
        for one in self.exclude:
            for name, values in _given(one).items():
                merged[name] = tuple(dict.fromkeys((*merged.get(name, ()), *values)))
        return Traits().model_copy(update=merged)

    def joined(self, other: Self) -> Self:
        """These selectors, with those of `other` that are absent here, and `exclude` joined too."""
        exclude = self.excluding.joined(other.excluding)
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
    `selectors.excluding` separately.
    """
    return {
        name: _COMPILERS.get(name, EqualMatcher)(values)
        for name, values in _given(traits).items()
        if name in Traits.model_fields
    }


# Texts that mean such a value and nothing else. "1" could be an ID as well as a NUMA node, and
# "iwarp" is more than a link type.
_ID = re.compile(r"0x[0-9a-f]{1,4}|[0-9a-f]{4}", re.IGNORECASE)
_PLAIN: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "vendors": _ID,
        "device_ids": _ID,
        "link_types": re.compile(r"ether(net)?|infiniband|ib", re.IGNORECASE),
        "function_types": re.compile("|".join(FUNCTION_TYPES), re.IGNORECASE),
        "numa_nodes": re.compile(r"0|[1-9][0-9]{0,3}"),
    }
)


def value_for(field: str, text: str) -> Any | None:
    """A text as a value of a selector, in its usual spelling; None if it is none.

    `field` is the name of the selector's field: "if_names".
    """
    if field in _PLAIN and not _PLAIN[field].fullmatch(text):
        return None
    name = Traits.model_fields[field].alias or field
    data, _ = tidy({name: [int(text) if field == "numa_nodes" else text]}, Traits)
    try:
        values = getattr(Traits.model_validate(data, by_name=False), field)
    except ValidationError:
        return None
    return next(iter(values), None)


def _given(traits: Traits) -> dict[str, Any]:
    return {name: values for name, values in traits if values}


def joined_sets(
    sets: Sequence[Selectors],
    devices: Sequence[str],
    extra: Selectors | tuple[Selectors, ...],
) -> tuple[Selectors, ...]:
    """The sets of selectors, joined with the Go plugin's key `devices` and with `extraSelectors`.

    `devices` has names of interfaces, so it is a further `ifNames`.
    """
    if not devices and extra == Selectors():
        return tuple(sets)
    named = Selectors(if_names=tuple(devices))
    pairs = product(sets, one_or_several(extra))
    return tuple(one.joined(named).joined(other) for one, other in pairs)


def one_or_several(found: Selectors | tuple[Selectors, ...]) -> tuple[Selectors, ...]:
    """The sets of a key that takes one set or a list; at least one."""
    return (found,) if isinstance(found, Selectors) else found or (Selectors(),)
