"""A random host with one cause of slow or failing traffic: that cause is found, and no other."""

from collections.abc import Iterator
from dataclasses import dataclass

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rdma_dp.doctor.catalogue import CATALOGUE
from rdma_dp.doctor.check import Verdict
from simulator.host.manifest import Function, Hca, Manifest, Net
from tests.conftest import Fresh
from tests.unit.doctor.test_pods import PID, Node

# What is planted for each check: a slow link, one subnet, or a variable of the pod.
VARIABLES = {
    "pod-nccl-hca": ("NCCL_IB_HCA=mlx5_90", "NCCL_IB_HCA=^mlx5", "NCCL_IB_HCA=mlx5_0:2"),
    "pod-nccl-gid": tuple(f"NCCL_IB_GID_INDEX={n}" for n in range(3)),  # v1, link-local, empty
    "pod-nccl-gdr": ("NCCL_NET_GDR_LEVEL=LOC", "NCCL_NET_GDR_LEVEL=0", "NCCL_NET_GDR_LEVEL=sys"),
}
CAUSES = ("", "hca-pcie-link", "fabric-subnets", *VARIABLES)
CHECKS = [check for check in CATALOGUE if check.id in CAUSES]
SPEEDS, WIDTHS = ("8.0", "16.0", "32.0"), ("x4", "x8", "x16")
SETTINGS = ("arp_ignore", "arp_announce", "rp_filter")


@dataclass(frozen=True)
class Card:
    """What a card and its slot can, as indexes, and whether a switch is between them."""

    card: tuple[int, int]
    slot: tuple[int, int]
    behind_a_switch: bool

    def link(self, most: tuple[int, int], *, slow: bool) -> str:
        """The state of the link to the slot, at an end that can `most`."""
        speed, width = map(min, self.card, self.slot)
        speed = speed - 1 if slow else speed
        return f"{SPEEDS[speed]} {WIDTHS[width]} of {SPEEDS[most[0]]} {WIDTHS[most[1]]}"


RATES = st.tuples(st.integers(1, 2), st.integers(0, 2))
CARDS = st.lists(st.builds(Card, RATES, RATES, st.booleans()), min_size=2, max_size=5)


def functions(number: int, card: Card, *, slow: bool) -> Iterator[tuple[str, Function]]:
    """A card with its bridges, and a GPU beside it: below the same switch, or on another port."""
    bus = f"0000:{number + 1:x}"
    port, up, down = f"{bus}0:01.0", f"{bus}1:00.0", f"{bus}2:00.0"
    upper, lower = (card.link(most, slow=slow) for most in (card.slot, card.card))
    own = f"{SPEEDS[card.card[0]]} {WIDTHS[card.card[1]]}"
    switch = (up, down) if card.behind_a_switch else ()
    yield port, Function(id="8086:352a", pci_class="0604", link=upper)
    if switch:
        yield up, Function(id="1000:c030", pci_class="0604", bridges=(port,), link=lower)
        yield down, Function(id="1000:c030", pci_class="0604", bridges=(port, up), link=own)
    hcas, net = {f"mlx5_{number}": Hca()}, {f"eth{number}": Net()}
    link = own if switch else lower
    yield (
        f"{bus}3:00.0",
        Function(id="15b3:1021", bridges=(port, *switch), link=link, hcas=hcas, net=net),
    )
    place = (port, up, f"{bus}2:01.0") if switch else (f"{bus}0:02.0",)
    yield f"{bus}4:00.0", Function(id="10de:2330", pci_class="0302", bridges=place, model="H100")


def machine(cards: list[Card], *, slow: int | None, one_subnet: bool) -> Manifest:
    """Card `slow` is below what both ends can."""
    names = [f"eth{number}" for number in range(len(cards))]
    rows = (
        f"{name} 00{0 if one_subnet else number:02X}000A 00000000 0001 0 0 0 00FFFFFF 0 0 0\n"
        for number, name in enumerate(names)
    )
    conf = {f"proc/sys/net/ipv4/conf/{n}/{s}": "0" for n in ("all", *names) for s in SETTINGS}
    found = {
        address: function
        for number, card in enumerate(cards)
        for address, function in functions(number, card, slow=number == slow)
    }
    return Manifest(
        title="random",
        nvidia="open",
        functions=found,
        files={"proc/net/route": "".join(rows), **conf},
    )


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(CARDS, st.sampled_from(CAUSES), st.integers(0, 9))
def test_the_planted_cause_is_found_and_no_other(
    fresh: Fresh, cards: list[Card], cause: str, which: int
) -> None:
    slow = which % len(cards) if cause == "hca-pcie-link" else None
    node = Node(fresh(machine(cards, slow=slow, one_subnet=cause == "fabric-subnets")).root)
    node.gid("0a000001")
    node.file(f"{PID}/root/dev/nvidia0", "")
    fitting = (f"NCCL_IB_HCA={node.hca.name}", "NCCL_IB_GID_INDEX=3", "NCCL_NET_GDR_LEVEL=SYS")
    planted = VARIABLES.get(cause, ("",))[which % len(VARIABLES.get(cause, ("",)))]
    others = (each for each in fitting if each.partition("=")[0] != planted.partition("=")[0])
    node.file(f"{PID}/environ", "".join(f"{each}\0" for each in (planted, *others)))
    found = {each.id for each in CHECKS if node.sees(each).verdict in (Verdict.WARN, Verdict.FAIL)}
    assert found == {cause} - {""}
