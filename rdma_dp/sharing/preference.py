"""Which of the free slots suit a container that asks for several. Pure.

kubelet offers the free slots and uses the answer as a hint. An error would make the pod fail, so
every offer gets an answer that is made of the offered slots.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush, nsmallest
from types import MappingProxyType

from rdma_dp.config import Preference
from rdma_dp.formats.slot_ids import HardwareKey, parsed_id, slot_id
from rdma_dp.sharing.pool import Pool

Node = int | None  # a NUMA node; HCAs without one count as one more node
Counts = Counter[HardwareKey]


class SlotIndex:
    """What every question about one pool needs: its slots by their ids, and the order of its keys.

    `rank` decides between keys that are equally good.
    """

    def __init__(self, pool: Pool) -> None:
        groups = pool.slot_groups.values()
        self.slots: Mapping[str, tuple[HardwareKey, int]] = {
            slot_id(group.key, number): (group.key, number)
            for group in groups
            for number in range(group.ever_listed)
        }
        self.nodes: Mapping[HardwareKey, Node] = {
            group.key: group.hcas[0].numa_node if group.hcas else None for group in groups
        }
        self.rank: Mapping[HardwareKey, int] = {key: n for n, key in enumerate(pool.slot_groups)}

    def find(self, text: str) -> tuple[HardwareKey, int] | None:
        """The key and the number of an id of this pool; also if the number was never listed."""
        found = self.slots.get(text) or parsed_id(text)
        return found if found and found[0] in self.rank else None


def preferred(
    pool: Pool,
    available: Iterable[str],
    must_include: Sequence[str],
    size: int,
    index: SlotIndex | None = None,
) -> list[str]:
    """`size` ids of `available`, those of `must_include` first; fewer if there are not enough.

    `index` is that of the pool, if the caller has kept it.
    """
    index = index or SlotIndex(pool)
    must = list(dict.fromkeys(must_include))[: max(size, 0)]
    numbers, foreign = _numbers_by_key(index, set(available).difference(must_include))
    offer = _Offer(
        nodes=index.nodes,
        free={key: len(free) for key, free in numbers.items()},
        taken=Counter(found[0] for found in map(index.find, must) if found),
        rank=index.rank,
    )
    counts = _POLICIES[pool.resource.preference](offer, size - len(must))
    chosen = [
        slot_id(key, number)
        for key in sorted(counts, key=offer.rank.__getitem__)
        for number in nsmallest(counts[key], numbers[key])
    ]
    return (must + chosen + sorted(foreign))[: max(size, 0)]


def _numbers_by_key(
    index: SlotIndex, ids: Iterable[str]
) -> tuple[Mapping[HardwareKey, list[int]], list[str]]:
    """The slot numbers by hardware key, and the ids that are not ours: they are a last resort."""
    numbers: dict[HardwareKey, list[int]] = defaultdict(list)
    foreign = []
    for text in ids:
        if found := index.find(text):
            numbers[found[0]].append(found[1])
        else:
            foreign.append(text)
    return numbers, foreign


@dataclass(frozen=True, slots=True)
class _Offer:
    """The number of free slots by hardware key, and of those that the container already has.

    `rank` is the order of the keys. It decides between keys that are equally good.
    """

    nodes: Mapping[HardwareKey, Node]
    free: Mapping[HardwareKey, int]
    taken: Counts
    rank: Mapping[HardwareKey, int]

    @property
    def unused(self) -> list[HardwareKey]:
        """The keys of which the container has no slot yet; keys with the most free slots first."""
        return sorted(
            (key for key in self.free if not self.taken[key]),
            key=lambda key: (-self.free[key], self.rank[key]),
        )

    def unused_by_node(self) -> dict[Node, list[HardwareKey]]:
        """The unused keys by NUMA node, with the nodes in the order of their numbers."""
        found: dict[Node, list[HardwareKey]] = defaultdict(list)
        for key in self.unused:
            found[self.nodes[key]].append(key)
        return {node: found[node] for node in sorted(found, key=_node_rank)}

    def sum_of(self, keys: Iterable[HardwareKey]) -> int:
        """How many free slots these keys have together."""
        return sum(self.free[key] for key in keys)


def _node_rank(node: Node) -> tuple[bool, int]:
    return node is None, node or 0


# --- spread -------------------------------------------------------------------------------------


def _spread(offer: _Offer, needed: int) -> Counts:
    """From as many keys as possible, on as few NUMA nodes as possible, most free slots first."""
    nodes = _nodes_for(offer, min(needed, len(offer.unused)))
    within = [key for key in offer.free if offer.nodes[key] in nodes]
    counts: Counts = Counter()
    turns = [_turn(offer, counts, key) for key in within]
    heapify(turns)
    for _ in range(needed):
        if not turns:
            break
        key = heappop(turns)[-1]
        counts[key] += 1
        if counts[key] < offer.free[key]:
            heappush(turns, _turn(offer, counts, key))
    return counts


def _turn(offer: _Offer, counts: Counts, key: HardwareKey) -> tuple[int, int, int, HardwareKey]:
    """A sort key: the smallest gives the next slot. Ranks differ, so keys are never compared."""
    return offer.taken[key] + counts[key], counts[key] - offer.free[key], offer.rank[key], key


def _nodes_for(offer: _Offer, keys: int) -> set[Node]:
    """The fewest NUMA nodes with this many unused keys; if equal, those with more free slots."""
    by_node = offer.unused_by_node()
    nodes = {offer.nodes[key] for key in offer.taken}
    missing = keys - sum(len(by_node.pop(node, ())) for node in nodes)
    while missing > 0 and by_node:
        enough = [node for node, found in by_node.items() if len(found) >= missing]
        most = max(map(len, by_node.values()))
        candidates = enough or [node for node, found in by_node.items() if len(found) == most]
        best = max(candidates, key=lambda node: offer.sum_of(by_node[node][:missing]))
        nodes.add(best)
        missing -= len(by_node.pop(best))
    return nodes


# --- pack ---------------------------------------------------------------------------------------


def _pack(offer: _Offer, needed: int) -> Counts:
    """From as few keys as possible, on one NUMA node if possible, fewest free slots first."""
    counts: Counts = Counter()
    used = sorted((key for key in offer.taken if key in offer.free), key=offer.rank.__getitem__)
    for key in used:
        counts[key] = min(offer.free[key], max(needed - counts.total(), 0))
    missing = needed - counts.total()
    for key in _fewest(offer, missing):
        counts[key] = min(offer.free[key], missing)
        missing -= counts[key]
    return +counts


def _fewest(offer: _Offer, needed: int) -> list[HardwareKey]:
    """The fewest unused keys with this many free slots; if equal, with the fewest left over."""
    if needed <= 0:
        return []
    count = _how_many(offer, offer.unused, needed)
    found = _best_node(offer, count, needed)
    chosen: list[HardwareKey] = []
    while found and len(chosen) < count - 1:
        chosen.append(found.pop(0))
        needed -= offer.free[chosen[-1]]
    fitting = [key for key in found if offer.free[key] >= needed]
    last = min(fitting, key=lambda key: (offer.free[key], offer.rank[key])) if fitting else None
    return chosen + ([last] if fitting else found[:1])


def _how_many(offer: _Offer, keys: Sequence[HardwareKey], needed: int) -> int:
    """How many of the first keys have enough free slots together; all if there are not enough."""
    count = 0
    while count < len(keys) and offer.sum_of(keys[:count]) < needed:
        count += 1
    return count


def _best_node(offer: _Offer, count: int, needed: int) -> list[HardwareKey]:
    """The unused keys of the node where `count` of them are enough; otherwise all unused keys."""
    used = {offer.nodes[key] for key in offer.taken}
    fitting = [
        (node not in used, offer.sum_of(keys), _node_rank(node), keys)
        for node, keys in offer.unused_by_node().items()
        if offer.sum_of(keys[:count]) >= needed
    ]
    return min(fitting, key=lambda each: each[:3])[3] if fitting else offer.unused


_POLICIES: Mapping[Preference, Callable[[_Offer, int], Counts]] = MappingProxyType(
    {Preference.SPREAD: _spread, Preference.PACK: _pack}
)
