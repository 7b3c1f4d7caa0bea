"""Netlink answers alike, from the kernel, recorded, or while it is being recorded."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from rdma_dp.discovery import scan
from rdma_dp.host.files import Host
from rdma_dp.host.netlink.backends import KernelNetlink, RecordedNetlink, RecordingNetlink
from rdma_dp.host.netlink.values import NetlinkView, NldevDevice
from tests.conftest import Sample

VIEW = NetlinkView(
    "exclusive",
    {"mlx5_0": NldevDevice("mlx5_0", protocol="roce")},
    {"ens1f0np0": ("storage", "rail-0")},
)


class Counting:
    """Answers from `view`, and records the questions."""

    def __init__(self, view: NetlinkView | None) -> None:
        self._recorded = RecordedNetlink(view)
        self.asked: list[str] = []

    def rdma(self) -> NetlinkView | None:
        self.asked.append("rdma")
        return self._recorded.rdma()

    def altnames(self, netdevs: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
        names = list(netdevs)
        self.asked += names
        return self._recorded.altnames(names)


def test_only_the_machines_own_root_asks_the_kernel(tmp_path: Path) -> None:
    assert isinstance(Host().netlink, KernelNetlink)
    assert Host(tmp_path).netlink == RecordedNetlink()


def test_a_host_without_netlink_has_no_answers() -> None:
    netlink = RecordedNetlink()
    assert (netlink.rdma(), netlink.altnames(["eth0"])) == (None, {})


def test_recorded_altnames_are_those_of_the_netdevs_that_were_asked_for() -> None:
    netlink = RecordedNetlink(VIEW)
    assert netlink.rdma() == VIEW
    assert netlink.altnames(["eth0"]) == {}
    assert netlink.altnames(["ens1f0np0", "eth0"]) == {"ens1f0np0": ("storage", "rail-0")}


def test_what_two_scans_ask_is_asked_once_and_replayed(sample: Sample) -> None:
    netlink = Counting(VIEW)
    recording = RecordingNetlink(netlink)
    first, second = (scan(Host(sample("seed"), recording)) for _ in range(2))
    assert netlink.asked == ["rdma", "ens1f0np0", "ens1f1np1"]
    assert recording.view() == VIEW
    replayed = scan(Host(sample("seed"), RecordedNetlink(recording.view())))
    assert first == second == replayed == scan(Host(sample("seed"), RecordedNetlink(VIEW)))
    assert first.system.netns_mode == "exclusive"


@pytest.mark.parametrize("view", [None, NetlinkView(), VIEW])
def test_what_is_recorded_is_what_was_answered(view: NetlinkView | None) -> None:
    recording = RecordingNetlink(RecordedNetlink(view))
    assert recording.rdma() == view
    recording.altnames(["ens1f0np0"])
    assert recording.view() == view


def test_altnames_are_recorded_without_rdma_netlink() -> None:
    class AltnamesAlone(Counting):
        def rdma(self) -> NetlinkView | None:
            return None

    recording = RecordingNetlink(AltnamesAlone(VIEW))
    assert recording.rdma() is None
    recording.altnames(["ens1f0np0", "eth0"])
    assert recording.view() == NetlinkView(altnames=VIEW.altnames)
