"""The selectors of a resource as values: which HCAs it takes, and which of them it excludes.

selectors.py has the same selectors as models of pydantic, which check what a file has.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from itertools import product
from types import MappingProxyType
from typing import Any, Self

from rdma_dp.config.values import pci_addresses, pf_names
from rdma_dp.config.values.globs import compile_globs
from rdma_dp.config.values.matchers import EqualMatcher, Matcher

# The keys of the selectors, by field.
KEYS: Mapping[str, str] = MappingProxyType(
    {
        "vendors": "vendors",
        "device_ids": "deviceIDs",
        "drivers": "drivers",
        "if_names": "ifNames",
        "link_types": "linkTypes",
        "rdma_devices": "rdmaDevices",
        "pci_addresses": "pciAddresses",
        "pf_names": "pfNames",
        "function_types": "functionTypes",
        "numa_nodes": "numaNodes",
    }
)


@dataclass(frozen=True, kw_only=True)
class Traits:
    """Properties to select HCAs by. An empty one is not compared."""

    vendors: tuple[str, ...] = ()
    device_ids: tuple[str, ...] = ()
    drivers: tuple[str, ...] = ()
    if_names: tuple[str, ...] = ()
    link_types: tuple[str, ...] = ()
    rdma_devices: tuple[str, ...] = ()
    pci_addresses: tuple[str, ...] = ()
    pf_names: tuple[str, ...] = ()
    function_types: tuple[str, ...] = ()
    numa_nodes: tuple[int, ...] = ()

    @cached_property
    def matchers(self) -> Mapping[str, Matcher[Any]]:
        """The matchers of the selectors that are given, compiled at the first use."""
        return compiled(self)

    def joined(self, other: Self) -> Self:
        """These selectors, with those of `other` that are absent here."""
        return replace(self, **{**_given(other), **_given(self)})


@dataclass(frozen=True, kw_only=True)
class Selectors(Traits):
    """One set of selectors: all of them must match an HCA, each with at least one value.

    An HCA is excluded when at least one selector of `exclude` matches it.
    """

    exclude: Traits | tuple[Traits, ...] = field(default_factory=Traits)

    @cached_property
    def excluding(self) -> Traits:
        """The selectors of `exclude`: those of a list together."""
        if isinstance(self.exclude, Traits):
            return self.exclude
        merged: dict[str, tuple[Any, ...]] = {}
        for one in self.exclude:
            for name, values in _given(one).items():
                merged[name] = tuple(dict.fromkeys((*merged.get(name, ()), *values)))
        return Traits(**merged)

    def joined(self, other: Self) -> Self:
        """These selectors, with those of `other` that are absent here, and `exclude` joined too."""
        exclude = self.excluding.joined(other.excluding)
        return replace(super().joined(other), exclude=exclude)


# How the values of a selector are compared, by field; all others are compared for equality.
_COMPILERS: Mapping[str, Callable[[Iterable[str]], Matcher[Any]]] = MappingProxyType(
    {
        "if_names": compile_globs,
        "rdma_devices": compile_globs,
        "pci_addresses": pci_addresses.compile_addresses,
        "pf_names": pf_names.compile_pf_names,
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
        if name in KEYS
    }


def _given(traits: Traits) -> dict[str, Any]:
    values = ((each.name, getattr(traits, each.name)) for each in fields(traits))
    return {name: value for name, value in values if value}


def joined_sets(
    sets: Sequence[Selectors], devices: Sequence[str], extra: Sequence[Selectors]
) -> tuple[Selectors, ...]:
    """The sets of selectors, joined with the Go plugin's key `devices` and with `extraSelectors`.

    `devices` has names of interfaces, so it is a further `ifNames`.
    """
    if not devices and [*extra] == [Selectors()]:
        return tuple(sets)
    named = Selectors(if_names=tuple(devices))
    return tuple(one.joined(named).joined(other) for one, other in product(sets, extra))


def one_or_several(found: Selectors | tuple[Selectors, ...]) -> tuple[Selectors, ...]:
    """The sets of a key that takes one set or a list; at least one."""
    return (found,) if isinstance(found, Selectors) else found or (Selectors(),)
