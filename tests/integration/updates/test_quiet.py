"""The fingerprint finds changes that send no event."""

from collections.abc import Callable, Set
from pathlib import Path

import pytest

from rdma_dp.discovery import polling, scan
from rdma_dp.host.files import Host
from rdma_dp.host.netlink.backends import RecordedNetlink
from rdma_dp.host.netlink.values import NetlinkView, NldevDevice
from simulator.host import SimulatedHost, build, generate
from tests.conftest import Fresh
from tests.live_tree import LiveTree

Change = Callable[[SimulatedHost], None]


def differs(simulated: SimulatedHost, change: Change) -> bool:
    """Whether the fingerprint shows a change after a scan."""
    host = Host(simulated.root)
    found = polling.scan_with_fingerprint(host)
    change(simulated)
    return polling.differs(host, found)


def test_nothing_new_is_nothing_new(fresh: Fresh) -> None:
    assert not differs(fresh("ipoib"), lambda _: None)


@pytest.mark.parametrize(
    "change",
    [
        lambda host: host.set_port("mlx5_0", 1, state="DOWN", phys_state="Polling"),
        lambda host: host.set_port("mlx5_2", 1, state="ACTIVE", phys_state="LinkUp"),
        lambda host: host.unplug("mlx5_1"),
        lambda host: (host.root / "sys/class/infiniband_verbs/uverbs0").unlink(),
        lambda host: (host.root / "sys/class/infiniband_mad/umad0").unlink(),
        lambda host: (host.root / "sys/module/ib_core/parameters/netns_mode").write_text("N"),
    ],
    ids=["port down", "port up", "HCA gone", "uverbs gone", "umad gone", "exclusive"],
)
def test_what_makes_no_event_is_seen(fresh: Fresh, change: Change) -> None:
    assert differs(fresh("ipoib"), change)


def test_an_hca_that_vanished_during_the_scan_only_is_seen_again(
    fresh: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reset: the HCA was there before and after the scan, but the scan missed it."""
    simulated = fresh("ipoib")
    host = Host(simulated.root)

    def scan_during_a_reset(host: Host) -> object:
        simulated.unplug("mlx5_1")
        return scan(host)

    monkeypatch.setattr(polling, "scan", scan_during_a_reset)
    found = polling.scan_with_fingerprint(host)
    simulated.plug("mlx5_1")
    assert "mlx5_1" not in [hca.name for hca in found.inventory.hcas]
    assert polling.differs(host, found)


def test_a_failure_to_look_is_a_reason_to_scan(fresh: Fresh) -> None:
    def damage(simulated: SimulatedHost) -> None:
        there = simulated.root / "sys/class/infiniband_verbs"
        there.rename(simulated.root / "away")
        there.symlink_to(there.name)

    assert differs(fresh("ipoib"), damage)


class Reads(LiveTree):
    """It remembers what is read."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.paths: set[str] = set()

    def names(self, path: str) -> list[str]:
        self.paths.add(path)
        return super().names(path)

    def read(self, path: str, limit: int) -> bytes:
        self.paths.add(path)
        return super().read(path, limit)


def reads_of(
    simulated: SimulatedHost,
    heard: Set[str],
    index_of: Callable[[str], int | None] | None = None,
    view: NetlinkView | None = None,
) -> set[str]:
    """The paths below /sys that one check reads on a live host where nothing changes."""
    tree = Reads(simulated.root)
    host = Host(tree, RecordedNetlink(view))
    indexes = index_of or (lambda name: host.read_int(f"sys/class/net/{name}/ifindex"))
    found = polling.scan_with_fingerprint(host, indexes)
    tree.paths.clear()
    assert not polling.differs(host, found, heard)
    # The daemon checks less often where only the mode is left to read.
    assert polling.events_report_all(found, heard) == (tree.paths == {MODE})
    return tree.paths


MODE = "sys/module/ib_core/parameters/netns_mode"
BOTH = frozenset({"uevents", "link events"})
ETHERNET = {f"sys/class/infiniband/mlx5_{n}/ports/1/state" for n in (0, 1)}


def test_what_an_event_reports_is_not_read(fresh: Fresh) -> None:
    assert reads_of(fresh("seed"), BOTH) == {MODE}


def test_infiniband_ports_are_read_although_events_come(fresh: Fresh) -> None:
    states = {f"sys/class/infiniband/mlx5_{n}/ports/1/state" for n in (0, 1, 2)}
    assert reads_of(fresh("ipoib"), BOTH) == {MODE, *states}


def test_ports_of_iwarp_are_read_although_events_come(fresh: Fresh) -> None:
    """Their state depends on an IPv4 address, of which neither source tells."""
    names = ("mlx5_0", "mlx5_1")
    view = NetlinkView(devices={name: NldevDevice(name, protocol="iw") for name in names})
    assert reads_of(fresh("seed"), BOTH, view=view) == {MODE, *ETHERNET}


def test_without_link_events_ethernet_ports_are_read(fresh: Fresh) -> None:
    assert reads_of(fresh("seed"), {"uevents"}) == {MODE, *ETHERNET}


def test_without_uevents_the_devices_are_listed(fresh: Fresh) -> None:
    reads = reads_of(fresh("seed"), {"link events"})
    assert reads > {MODE, "sys/class/infiniband", "sys/class/infiniband_verbs"}
    # Only a uevent has the old name of a netdev that was renamed.
    assert reads > ETHERNET


@pytest.mark.parametrize("index", [None, 4711])
def test_a_netdev_of_another_namespace_reports_nothing(fresh: Fresh, index: int | None) -> None:
    """/sys of the host is mounted, but the process has a network namespace of its own."""
    assert reads_of(fresh("seed"), BOTH, lambda _: index) == {MODE, *ETHERNET}


def test_a_port_without_a_netdev_is_read(fresh: Fresh) -> None:
    simulated = fresh("efa")
    states = {path for path in reads_of(simulated, BOTH) if path.endswith("/state")}
    assert len(states) == len(Host(simulated.root).entries("sys/class/infiniband"))


def test_a_change_of_the_mode_is_seen_although_events_come(fresh: Fresh) -> None:
    simulated = fresh("seed")
    host = Host(LiveTree(simulated.root), RecordedNetlink())
    found = polling.scan_with_fingerprint(host)
    (simulated.root / MODE).write_text("N")
    assert polling.differs(host, found, BOTH)


def test_many_ports_take_turns_and_none_is_left_out(tmp_path: Path) -> None:
    simulated = build(generate(150), tmp_path / "host")
    tree = Reads(simulated.root)
    host = Host(tree, RecordedNetlink())
    found = polling.scan_with_fingerprint(host)
    read = []
    for turn in range(3):
        tree.paths.clear()
        assert not polling.differs(host, found, BOTH, turn)
        read.append({path for path in tree.paths if path.endswith("/state")})
    assert all(len(states) <= polling.MOST_PORTS for states in read)
    assert len(set.union(*read)) == sum(map(len, read)) == 150


def test_what_happens_to_one_of_many_ports_is_seen_in_its_turn(tmp_path: Path) -> None:
    simulated = build(generate(150), tmp_path / "host")
    host = Host(simulated.root)
    found = polling.scan_with_fingerprint(host)
    last = found.inventory.hcas[-1]
    simulated.set_port(last.name, 1, state="DOWN", phys_state="Polling")
    assert [polling.differs(host, found, turn=turn) for turn in range(6)].count(True) == 2
