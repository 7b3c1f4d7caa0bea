"""The fingerprint finds changes that send no event."""

from collections.abc import Callable

import pytest

from rdma_dp.discovery import polling, scan
from rdma_dp.host.files import Host
from simulator.host import SimulatedHost
from tests.conftest import Fresh

Change = Callable[[SimulatedHost], None]


def differs(simulated: SimulatedHost, change: Change) -> bool:
    """Whether the fingerprint shows a change after a scan."""
    host = Host(simulated.root)
    found = polling.scan_with_fingerprint(host)
    change(simulated)
    return polling.differs(host, *found)


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
    assert "mlx5_1" not in [hca.name for hca in found[1].hcas]
    assert polling.differs(host, *found)


def test_a_failure_to_look_is_a_reason_to_scan(fresh: Fresh) -> None:
    def damage(simulated: SimulatedHost) -> None:
        there = simulated.root / "sys/class/infiniband_verbs"
        there.rename(simulated.root / "away")
        there.symlink_to(there.name)

    assert differs(fresh("ipoib"), damage)
