"""RoCE ports with addresses in one subnet."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.config.loading import find_config
from rdma_dp.doctor.check import Verdict
from rdma_dp.host.routes import Subnet, connected, further_tables, with_addresses
from rdma_dp.node.source import open_source
from tests.conftest import Fresh, Sample
from tests.unit.doctor.ailing import ALL_MELLANOX, ailing, seen
from tests.unit.doctor.twins import config, told
from tests.unit.node.snapshot.shown import snapshot_of

CHECK = "fabric-subnets"
BASE = "one-subnet"
PORTS = ("ens1f0np0", "ens1f1np1")
SETTINGS = "proc/sys/net/ipv4/conf"
GOOD = {"arp_ignore": 1, "arp_announce": 2, "rp_filter": 2}
ROUTE = "{} {} 00000000 {} 0 0 0 {} 0 0 0\n"


def conf(values: dict[str, int], *names: str) -> str:
    files = (
        f"{SETTINGS}/{name}/{setting}: '{value}'"
        for name in names
        for setting, value in values.items()
    )
    return f"files: {{{', '.join(files)}}}"


def routes(*rows: tuple[str, str, str]) -> str:
    """A patch with these interfaces, networks and masks, as the kernel prints them."""
    lines = "".join(f"      {ROUTE.format(name, net, '0001', mask)}" for name, net, mask in rows)
    return f"files:\n  proc/net/route: |\n      Iface Destination\n{lines}"


def verdict(fresh: Fresh, patch: str) -> Verdict:
    return seen(CHECK, fresh(ailing(BASE, patch)).root).verdict


def test_two_ports_in_one_subnet_are_a_warning(sample: Sample) -> None:
    result = seen(CHECK, sample(BASE))
    (finding,) = told(result)
    assert finding == (
        "warn ens1f0np0, ens1f1np1: have addresses in one subnet (/24), but arp_ignore is 0,"
        " arp_announce is 0, rp_filter is 1, and no rule routes by the source address"
    )
    assert result.remedy == (
        "sysctl -w net/ipv4/conf/{ens1f0np0,ens1f1np1}/arp_ignore=1",
        "sysctl -w net/ipv4/conf/{ens1f0np0,ens1f1np1}/arp_announce=2",
        "sysctl -w net/ipv4/conf/{ens1f0np0,ens1f1np1}/rp_filter=2",
    )


def test_the_remedies_are_enough(fresh: Fresh) -> None:
    assert verdict(fresh, conf(GOOD, *PORTS)) is Verdict.OK


def test_the_greater_value_of_all_and_of_the_interface_counts(fresh: Fresh) -> None:
    assert verdict(fresh, conf(GOOD, "all")) is Verdict.OK
    assert verdict(fresh, conf({**GOOD, "rp_filter": 1}, "all")) is Verdict.WARN
    assert verdict(fresh, conf({"arp_ignore": 1, "arp_announce": 2}, "all")) is Verdict.WARN


def test_only_what_is_missing_is_set(fresh: Fresh) -> None:
    patch = conf({**GOOD, "arp_announce": 1}, "all")
    assert seen(CHECK, fresh(ailing(BASE, patch)).root).remedy == (
        "sysctl -w net/ipv4/conf/{ens1f0np0,ens1f1np1}/arp_announce=2",
    )


TABLE = "Id {}:\n  |-- {}\n     {} UNICAST\n"


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        (TABLE.format(101, "192.168.5.0", "/24 link"), Verdict.OK),
        (TABLE.format(101, "192.168.6.0", "/24 link"), Verdict.WARN),
        (TABLE.format(101, "0.0.0.0", "/0 universe") * 2, Verdict.OK),
        (TABLE.format(2005, "0.0.0.0", "/0 universe"), Verdict.WARN),  # a table of the CNI alone
        ("Id 2004:\n  |-- 0.0.0.0\n     /0 host LOCAL\n" * 2, Verdict.WARN),
    ],
)
def test_source_routing_needs_a_table_for_each_port(
    tables: str, expected: Verdict, fresh: Fresh
) -> None:
    host = fresh(BASE)
    file = host.root / "proc/net/fib_trie"
    file.write_text(tables + file.read_text())
    assert seen(CHECK, host.root).verdict is expected


@pytest.mark.parametrize(
    ("other", "mask"),
    [
        ("0006A8C0", "00FFFFFF"),  # another subnet
        ("0005A8C0", "80FFFFFF"),  # the same network, another prefix
    ],
)
def test_ports_in_different_subnets_are_well(other: str, mask: str, fresh: Fresh) -> None:
    patch = routes((PORTS[0], "0005A8C0", "00FFFFFF"), (PORTS[1], other, mask))
    assert verdict(fresh, patch) is Verdict.OK


def test_links_between_two_machines_have_no_room_for_two_ports(fresh: Fresh) -> None:
    patch = routes(*((name, "0005A8C0", "FEFFFFFF") for name in PORTS))
    assert verdict(fresh, patch) is Verdict.OK


@pytest.mark.parametrize(
    ("function", "lower", "expected"),
    [("0000:3b:00.0", PORTS[0], Verdict.OK), ("0000:3b:00.1", PORTS[1], Verdict.WARN)],
)
def test_an_interface_over_a_port_is_on_that_port(
    function: str, lower: str, expected: Verdict, fresh: Fresh
) -> None:
    """A VLAN in the subnet of the first port is a problem over the second port alone."""
    vlan = f"functions: {{{function}: {{net: {{vlan7: {{child_of: {lower}, type: ether}}}}}}}}"
    rows = routes((PORTS[0], "0005A8C0", "00FFFFFF"), ("vlan7", "0005A8C0", "00FFFFFF"))
    settings = "\n".join(f"  {SETTINGS}/vlan7/{each}: '0'" for each in GOOD)
    assert verdict(fresh, f"{vlan}\n{rows}\n{settings}") is expected


def test_a_port_without_roce_does_not_count(fresh: Fresh) -> None:
    rows = routes(("eno1", "0005A8C0", "00FFFFFF"), (PORTS[0], "0005A8C0", "00FFFFFF"))
    assert verdict(fresh, rows) is Verdict.OK


def test_only_subnets_with_a_port_of_a_resource_are_checked(sample: Sample, tmp_path: Path) -> None:
    def of(hca: str) -> Path:
        selected = f"{{resourceName: a, rdmaHcaMax: 1, selectors: {{rdmaDevices: [{hca}]}}}}"
        return config(tmp_path, f"configList: [{selected}]\n")

    assert seen(CHECK, sample(BASE), of("mlx5_2")).verdict is Verdict.OK
    assert seen(CHECK, sample(BASE), of("mlx5_0")).verdict is Verdict.WARN


@pytest.mark.parametrize("gone", ["proc/net/route", f"{SETTINGS}/all/rp_filter"])
def test_what_cannot_be_read_is_unknown(gone: str, fresh: Fresh) -> None:
    assert verdict(fresh, f"remove: [{gone}]\nfiles: {{}}") is Verdict.WARN, "files come last"
    host = fresh(BASE)
    (host.root / gone).unlink()
    assert gone.rpartition("/")[2] in seen(CHECK, host.root).findings[0].evidence
    assert seen(CHECK, host.root).verdict is Verdict.UNKNOWN


def test_an_anonymous_snapshot_says_the_same_without_an_address(
    fresh: Fresh, tmp_path: Path
) -> None:
    directory = fresh(BASE).root
    for raw in (True, False):
        file = snapshot_of(
            open_source(directory), find_config(ALL_MELLANOX), tmp_path / f"{raw}.tar.gz", raw=raw
        )
        host = open_source(file).host
        assert ("0005A8C0" in (host.read("proc/net/route") or "")) is raw
        assert ("192.168.5" in (host.read("proc/net/fib_trie") or "")) is raw
        assert told(seen(CHECK, file)) == told(seen(CHECK, directory))


def test_a_live_nodes_proc_net_is_that_of_the_reading_process(fresh: Fresh, tmp_path: Path) -> None:
    """/proc/net leads to self/net, and self to a process (kernel fs/proc/proc_net.c)."""
    directory = fresh(BASE).root
    (directory / "proc/4000").mkdir()
    (directory / "proc/net").rename(directory / "proc/4000/net")
    (directory / "proc/net").symlink_to("self/net")
    (directory / "proc/self").symlink_to("4000")
    file = snapshot_of(
        open_source(directory), find_config(ALL_MELLANOX), tmp_path / "it.tar.gz", raw=False
    )
    assert told(seen(CHECK, file)) == told(seen(CHECK, directory))
    assert seen(CHECK, file).verdict is Verdict.WARN
    assert "0005A8C0" not in (open_source(file).host.read("proc/net/route") or "")


# --- the kernel's texts --------------------------------------------------------------------------

REAL = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
p1\t00000000\tFE05A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
p1\t0000090A\t00000000\t0001\t0\t0\t0\tFEFFFFFF\t0\t0\t0
p1\t000010AC\tFE05A8C0\t0003\t0\t0\t0\t0000FFFF\t0\t0\t0
p1\t0005A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
p2\t0005A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""
REAL_TRIE = """\
Id 102:
  |-- 192.168.5.0
     /24 link UNICAST
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 172.16.0.0
        /16 universe UNICAST
Local:
  +-- 0.0.0.0/0 3 0 5
     |-- 10.9.0.1
        /32 host LOCAL
"""


def test_what_linux_6_18_writes_is_read() -> None:
    assert connected(REAL) == {
        Subnet("10.9.0.0", 31): ("p1",),
        Subnet("192.168.5.0", 24): ("p1", "p2"),
    }
    assert list(further_tables(REAL_TRIE)) == [{"192.168.5.0"}]


def test_other_addresses_keep_the_form() -> None:
    assert with_addresses(REAL, lambda address: address) == REAL
    other = {"192.168.5.0": "198.18.0.1"}
    found = connected(with_addresses(REAL, lambda address: other.get(address, address)))
    assert found[Subnet("198.18.0.1", 24)] == ("p1", "p2")


@given(st.text(alphabet="Id 0aFx:|-+/.\t\nUNICAST", max_size=80))
def test_no_text_makes_a_parser_fail(text: str) -> None:
    connected(text)
    tuple(further_tables(text))
    with_addresses(text, lambda address: address)
