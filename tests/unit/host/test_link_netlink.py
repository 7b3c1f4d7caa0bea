"""Altnames: the wire format, with messages written by hand, and their use in the inventory."""

import errno
import socket
import struct
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.discovery import scan
from rdma_dp.host.files import ExhaustedError, Host
from rdma_dp.host.netlink.backends import RecordedNetlink
from rdma_dp.host.netlink.links import altnames, query_altnames, request
from rdma_dp.host.netlink.values import NetlinkView
from rdma_dp.inventory.hardware import Hca
from tests.conftest import Sample

IFNAME, STATS64, PROP_LIST, ALT_IFNAME, PERM_ADDRESS = 3, 23, 52, 53, 54
NESTED = 0x8000

names = st.lists(st.text(min_size=1, max_size=100).filter(lambda name: "\0" not in name))


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def link(*attributes: bytes) -> bytes:
    """The body of an answer as the kernel sends it: ifinfomsg, attributes."""
    return struct.pack("=BxHiII", 0, 1, 7, 0x1043, 0) + b"".join(attributes)


def properties(*found: str) -> bytes:
    inner = b"".join(attribute(ALT_IFNAME, name.encode() + b"\0") for name in found)
    return attribute(PROP_LIST | NESTED, inner)


# --- on the wire --------------------------------------------------------------------------------


def test_a_request_asks_for_one_netdev_by_name_without_its_statistics() -> None:
    attributes = attribute(29, struct.pack("=I", 8)) + attribute(3, b"eth0\0")
    assert request("eth0") == bytes(16) + attributes


def test_an_answer_names_the_altnames_in_their_order() -> None:
    answer = link(
        attribute(IFNAME, b"eth0\0"),
        attribute(STATS64, bytes(200)),
        properties("enp24s0f0np0", "a-name-much-longer-than-fifteen-characters"),
        attribute(PERM_ADDRESS, bytes(6)),
    )
    found = list(altnames(answer))
    assert found == ["enp24s0f0np0", "a-name-much-longer-than-fifteen-characters"]


def test_an_answer_of_an_old_kernel_has_none() -> None:
    assert list(altnames(link(attribute(IFNAME, b"eth0\0")))) == []


@given(names)
def test_any_names_come_back_as_they_are(found: list[str]) -> None:
    assert list(altnames(link(attribute(IFNAME, b"eth0\0"), properties(*found)))) == found


@given(names, st.integers(min_value=0))
def test_an_answer_that_is_cut_off_makes_up_no_names(found: list[str], length: int) -> None:
    answer = link(properties(*found))
    assert set(altnames(answer[:length])) <= set(found)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reading(data: bytes) -> None:
    for answer in (data, link(data), link(attribute(PROP_LIST, data))):
        assert all(isinstance(name, str) for name in altnames(answer))


# --- the kernel ---------------------------------------------------------------------------------


def test_a_netdev_without_altnames_and_one_that_is_gone_are_left_out() -> None:
    assert query_altnames(["lo", "gone0", "a-name-that-no-netdev-can-have"]) == {}


class FailingSocket:
    """A socket that cannot be opened."""

    code = 0

    def __init__(self, *_: Any) -> None:
        raise OSError(self.code, "no")


@pytest.mark.parametrize("code", [errno.EPERM, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT])
def test_a_kernel_that_cannot_be_asked_costs_the_altnames_only(
    code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FailingSocket, "code", code)
    monkeypatch.setattr(socket, "socket", FailingSocket)
    assert query_altnames(["lo"]) == {}


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_when_we_have_run_out_of_something_no_altname_has_gone(
    code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FailingSocket, "code", code)
    monkeypatch.setattr(socket, "socket", FailingSocket)
    with pytest.raises(ExhaustedError):
        query_altnames(["lo"])


# --- in the inventory ---------------------------------------------------------------------------


def hcas(sample: Sample, name: str, **further: tuple[str, ...]) -> dict[str, Hca]:
    host = Host(sample(name), RecordedNetlink(NetlinkView(altnames=further)))
    return {hca.name: hca for hca in scan(host).hcas}


def of_netdevs(hca: Hca) -> dict[str, tuple[str, ...]]:
    return {netdev.name: netdev.altnames for netdev in hca.netdevs}


def test_a_netdev_has_its_altnames_and_no_other_has(sample: Sample) -> None:
    found = hcas(sample, "seed", ens1f0np0=("storage", "rail-0"))
    assert of_netdevs(found["mlx5_0"]) == {"ens1f0np0": ("storage", "rail-0")}
    assert set(of_netdevs(found["mlx5_1"]).values()) == {()}


def test_a_captured_tree_has_no_altnames(sample: Sample) -> None:
    assert all(not netdev.altnames for h in hcas(sample, "seed").values() for netdev in h.netdevs)


def test_altnames_of_a_pf_name_its_vfs_too(sample: Sample) -> None:
    found = hcas(sample, "sriov", ens3f0np0=("fabric",), ens3f0v0=("guest",))
    assert {hca.pf_names for hca in found.values()} == {("ens3f0np0", "fabric")}
    assert of_netdevs(found["mlx5_1"]) == {"ens3f0v0": ("guest",)}


def test_bonds_and_their_slaves_have_altnames_too(sample: Sample) -> None:
    found = hcas(sample, "roce-bond", bond0=("storage",), ens2f1np1=("second",))["mlx5_bond_0"]
    altnames = {"bond0": ("storage",), "ens2f0np0": (), "ens2f1np1": ("second",)}
    assert of_netdevs(found) == altnames
    assert found.pf_names == ("ens2f0np0", "ens2f1np1", "second")


def test_a_scan_asks_for_the_altnames_of_netdevs_of_hcas_alone(sample: Sample) -> None:
    asked: list[str] = []

    class Netlink:
        def rdma(self) -> NetlinkView | None:
            return None

        def altnames(self, netdevs: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
            asked.extend(netdevs)
            return {"ens3f0v1": ("guest",)}

    inventory = scan(Host(sample("sriov"), Netlink()))
    assert asked == ["ens3f0np0", "ens3f0v0", "ens3f0v1"]
    assert of_netdevs(inventory.hcas[2]) == {"ens3f0v1": ("guest",)}
