from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.node.snapshot.pseudonym_tables import reversed_bytes
from rdma_dp.node.snapshot.pseudonyms import Pseudonyms
from tests.unit.node.snapshot.identifiers import (
    by_bytes,
    eui64,
    guid_of,
    guids,
    in_fours,
    ipv4,
    ipv4s,
    ipv6,
    ipv6s,
    labels,
    macs,
)

MAC = 0x98039BAABBCC
GUID = guid_of(MAC, 0x0300)


def replaced(*texts: str, hosts: tuple[str, ...] = ()) -> list[str]:
    pseudonyms = Pseudonyms(texts, hosts)
    return [pseudonyms.text(text) for text in texts]


def number(text: str) -> int:
    return int(text.replace(":", "").replace("-", ""), 16)


@given(st.lists(macs, min_size=1, unique=True))
def test_each_mac_has_a_pseudonym_from_the_range_for_documentation(found: list[int]) -> None:
    texts = [by_bytes(mac, 6) for mac in found]
    pseudonyms = replaced(*texts)
    assert len(set(pseudonyms)) == len(set(texts))
    assert not set(pseudonyms) & set(texts)
    assert {number(text) & ~(3 << 40) for text in pseudonyms} <= set(range(0x5E005300, 0x5E006300))


@given(macs)
def test_a_local_mac_stays_local_and_a_group_stays_a_group(mac: int) -> None:
    [text] = replaced(by_bytes(mac, 6))
    assert number(text) >> 40 & 3 == mac >> 40 & 3


def test_what_names_no_hardware_is_kept() -> None:
    texts = [
        "00:00:00:00:00:00",
        "ff:ff:ff:ff:ff:ff",
        "0000:0000:0000:0000",
        "0000:0000:0000:0000:0000:0000:0000:0000",
        "127.0.0.1 0.0.0.0 255.255.254.0 255.255.255.255 224.0.0.1",
        "::1 :: ff02::1",
        "0000:3b:00.0",
        "10000:e1:00.0",
        "12:30:45",
        "2026-11-24T18:53:17+00:00",
        "231:192",
        "400 Gb/sec (4X NDR)",
        "100000000000",
        "28.39.1002",
    ]
    assert replaced(*texts) == texts


def test_all_forms_of_one_mac_have_pseudonyms_of_one_mac() -> None:
    mac, guid, gid, ipoib, link_local, name, plain, number_, backwards = replaced(
        by_bytes(MAC, 6),
        in_fours(GUID, 16),
        in_fours(0xFE80 << 112 | GUID, 32),
        by_bytes(0x0010_29FE80 << 120 | 0xFE80 << 112 | GUID, 20),
        ipv6(0xFE80 << 112 | eui64(MAC)),
        f"enx{MAC:012x}",
        f"{GUID:016x}",
        f"0x{GUID:X}",
        f"{reversed_bytes(GUID):016x}",
    )
    pseudonym = number(mac)
    made = guid_of(pseudonym, 0x0300)
    assert pseudonym != MAC
    assert guid == in_fours(made, 16)
    assert gid == in_fours(0xFE80 << 112 | made, 32)
    assert ipoib == by_bytes(0x0010_29FE80 << 120 | 0xFE80 << 112 | made, 20)
    assert link_local == ipv6(0xFE80 << 112 | eui64(pseudonym))
    assert name == f"enx{pseudonym:012x}"
    assert plain == f"{made:016x}"
    assert int(number_, 16) == made
    assert backwards == f"{reversed_bytes(made):016x}"


def test_a_roce_gid_names_the_pseudonym_of_the_address() -> None:
    address, gid, short = replaced(
        "10.1.2.3/24", "0000:0000:0000:0000:0000:ffff:0a01:0203", "::ffff:10.1.2.3"
    )
    pseudonym = IPv4Address(address.removesuffix("/24"))
    assert pseudonym in ip_network("198.18.0.0/15")
    assert gid == in_fours(0xFFFF << 32 | int(pseudonym), 32)
    assert short == f"::ffff:{pseudonym}"


def test_the_gid_of_an_iwarp_device_is_its_mac() -> None:
    mac, gid = replaced(by_bytes(MAC, 6), in_fours(MAC << 80, 32))
    assert gid == in_fours(number(mac) << 80, 32)


@given(st.lists(ipv6s, min_size=1, unique=True))
def test_ipv6_pseudonyms_are_addresses_for_documentation(found: list[int]) -> None:
    pseudonyms = [IPv6Address(text) for text in replaced(*map(ipv6, found))]
    assert len(set(pseudonyms)) == len(found)
    assert all(each in ip_network("2001:db8::/32") for each in pseudonyms)
    prefixes = {(old >> 64, int(new) >> 64) for old, new in zip(found, pseudonyms, strict=True)}
    assert len(prefixes) == len({old >> 64 for old in found})


@given(st.lists(ipv4s, min_size=1, unique=True))
def test_ipv4_pseudonyms_are_addresses_for_benchmarks(found: list[int]) -> None:
    pseudonyms = replaced(*map(ipv4, found))
    assert len(set(pseudonyms)) == len(found)
    assert not set(pseudonyms) & set(map(ipv4, found))
    assert all(IPv4Address(text) in ip_network("198.18.0.0/15") for text in pseudonyms)


@given(st.lists(guids, min_size=1, unique=True))
def test_different_guids_have_different_pseudonyms(found: list[int]) -> None:
    pseudonyms = replaced(*(in_fours(guid, 16) for guid in found))
    assert len(set(pseudonyms)) == len(found)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("node17 mlx5_0", "host-1 mlx5_0"),
        ("kube-proxy-node17", "kube-proxy-host-1"),
        ("NODE17.rack.corp.com: up", "host-1.example.net: up"),
        ("of rack.corp.com", "of example.net"),
        ("node170 xnode17 node17_a", "node170 xnode17 node17_a"),
    ],
)
def test_the_name_of_the_host_is_replaced_as_a_word(text: str, wanted: str) -> None:
    assert replaced(text, hosts=("node17.rack.corp.com", "node17")) == [wanted]


@given(st.lists(labels, min_size=1, unique=True))
def test_different_hosts_have_different_pseudonyms(names: list[str]) -> None:
    pseudonyms = replaced(*names, hosts=tuple(names))
    assert len(set(pseudonyms)) == len(names)
    assert not set(pseudonyms) & set(names)


@given(st.text(), st.lists(st.text(max_size=20), max_size=3))
def test_any_text_and_any_host_name_can_be_replaced(text: str, hosts: list[str]) -> None:
    Pseudonyms([text], hosts).text(text)


@given(st.text(alphabet="0123456789abcdefABCDEF:.-x/ ", max_size=100))
def test_any_text_like_an_address_can_be_replaced(text: str) -> None:
    assert isinstance(Pseudonyms([text], ()).text(text), str)


@given(st.text(alphabet="0123456789abcdef", min_size=8, max_size=20))
def test_equal_switch_ids_have_equal_pseudonyms(digits: str) -> None:
    pseudonyms = Pseudonyms([], ())
    found = pseudonyms.switch_id(f"{digits}\n")
    assert found == pseudonyms.switch_id(f"{digits}\n")
    assert len(found) == len(digits) + 1


def test_the_id_of_a_switch_is_replaced() -> None:
    pseudonyms = Pseudonyms([in_fours(GUID, 16)], ())
    backwards = pseudonyms.switch_id(f"{reversed_bytes(GUID):016x}")
    assert in_fours(reversed_bytes(int(backwards, 16)), 16) == pseudonyms.text(in_fours(GUID, 16))
    assert pseudonyms.switch_id("1122334455667788\n") != "1122334455667788\n"


@given(ipv6s)
def test_an_address_in_if_inet6_is_replaced(address: int) -> None:
    line = f"{address:032x} 02 40 00 80     eth0"
    [made, written] = replaced(line, ipv6(address))
    assert f"{address:032x}" not in made
    assert made == f"{int(IPv6Address(written)):032x} 02 40 00 80     eth0"


def test_the_uuid_of_a_gpu_is_replaced_everywhere() -> None:
    uuid = "5a3f1c2d-1234-5678-9abc-def012345678"
    made = "00000000-0000-0000-0000-000000000001"
    assert replaced(f"GPU UUID: \t GPU-{uuid}", f"GPU-{uuid.upper()}", f"pod{uuid}") == [
        f"GPU UUID: \t GPU-{made}",
        f"GPU-{made}",
        f"pod{uuid}",
    ]


@pytest.mark.parametrize("behind", [":", ": up", ":data", ":1", "-eth0", "-ab1", "."])
def test_a_mac_is_found_whatever_follows_it(behind: str) -> None:
    assert replaced(f"98:03:9b:aa:bb:cc{behind}") == [f"00:00:5e:00:53:00{behind}"]
