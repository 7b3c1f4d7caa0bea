"""What may hurt in a state and is no change, for the log. Pure.

kubelet does not wait for it, so a daemon loads this module and the advice after its first lists.
"""

from rdma_dp.sharing.advice import node_warnings, pool_warnings
from rdma_dp.sharing.misplaced import misplaced
from rdma_dp.sharing.state import NodeState


def warnings(state: NodeState) -> frozenset[str]:
    """Advice about the node and about each resource."""
    inventory = state.inventory
    selections = [pool.selection for pool in state.pools.values()]
    of_empty = (
        f"{selection.resource.full_name}: {each.step}"
        for selection in selections
        if not selection.chosen
        for each in misplaced(selection, inventory)
    )
    of_pools = (
        f"{name}: {warning}"
        for name, pool in state.pools.items()
        for warning in pool_warnings(pool, inventory.system)
    )
    return frozenset((*node_warnings(inventory, selections), *of_pools, *of_empty))
