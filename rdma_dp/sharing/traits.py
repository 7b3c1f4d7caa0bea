"""The selectors, each with its values on an HCA. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from rdma_dp.config.selector_sets import KEYS
from rdma_dp.config.values import pf_names
from rdma_dp.inventory.hardware import Hca
from rdma_dp.inventory.verdicts import NoInterface
from rdma_dp.text import Values


@dataclass(frozen=True, slots=True)
class Trait:
    """One selector: its field in the config, and its values on an HCA."""

    field: str  # in Traits
    found: Callable[[Hca], Sequence[Any]]
    of_interfaces: bool = False

    def absent(self, hca: Hca) -> NoInterface | None:
        """Why the HCA has no value, if that is because it has no interface here."""
        return hca.no_interface if self.of_interfaces else None

    @property
    def selector(self) -> str:
        """The selector's name as the config spells it."""
        return KEYS[self.field]


def _of_functions(attribute: str) -> Callable[[Hca], Values]:
    """An attribute of all functions of the HCA: a RoCE bond matches by each of its functions."""

    def values(hca: Hca) -> Values:
        found = (getattr(function, attribute) for function in hca.functions)
        return tuple(dict.fromkeys(value for value in found if value is not None))

    return values


def _interfaces(hca: Hca) -> Values:
    return tuple(name for netdev in hca.netdevs for name in (netdev.name, *netdev.altnames))


def _pf_functions(hca: Hca) -> tuple[pf_names.PfFunction, ...]:
    return tuple(pf_names.PfFunction(name, hca.index) for name in hca.pf_names)


def _numa_nodes(hca: Hca) -> tuple[int, ...]:
    return () if hca.numa_node is None else (hca.numa_node,)


TRAITS = (
    Trait("vendors", _of_functions("vendor")),
    Trait("device_ids", _of_functions("device")),
    Trait("drivers", _of_functions("driver")),
    Trait("if_names", _interfaces, of_interfaces=True),
    Trait("link_types", attrgetter("link_types")),
    Trait("rdma_devices", lambda hca: (hca.name,)),
    Trait("pci_addresses", _of_functions("address")),
    Trait("pf_names", _pf_functions, of_interfaces=True),
    Trait("function_types", lambda hca: (hca.function_type,)),
    Trait("numa_nodes", _numa_nodes),
)
