"""The network functions without an HCA that the config means."""

from collections.abc import Iterator

from rdma_dp.inventory.hardware import UnusedFunction
from rdma_dp.node.view import NodeView
from rdma_dp.sharing.pool import Pool
from rdma_dp.sharing.selection import unset_selectors
from rdma_dp.sharing.without_hca import matching_functions

# The selectors that say something of a function without an HCA.
_OF_FUNCTIONS = frozenset(
    {"vendors", "deviceIDs", "drivers", "ifNames", "pciAddresses", "pfNames", "functionTypes"}
    | {"numaNodes"}
)


def meant_functions(node: NodeView) -> tuple[UnusedFunction, ...]:
    """The functions that a resource selects, or may select; without a config, all functions."""
    functions = node.inventory.unused_functions
    if node.config.config is None:
        return functions
    meant = {each.function.address for pool in node.pools for each in _meant_by(pool, node)}
    return tuple(each for each in functions if each.function.address in meant)


def _meant_by(pool: Pool, node: NodeView) -> Iterator[UnusedFunction]:
    """A resource without an HCA, whose selectors match only HCAs, may mean any function."""
    sets = pool.resource.selector_sets
    yield from matching_functions(sets, node.inventory)
    if not pool.hcas and any(_OF_FUNCTIONS.issubset(unset_selectors((each,))) for each in sets):
        yield from node.inventory.unused_functions
