"""An anonymous snapshot holds none of the site's addresses and names."""

import gzip
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from rdma_dp.config.loading import FoundConfig
from rdma_dp.host.netlink.values import NetlinkView, NldevDevice
from rdma_dp.node.snapshot.anonymous import anonymous
from rdma_dp.node.snapshot.archive_writing import pack
from rdma_dp.node.snapshot.contents import Contents, Directory, Entry, File, Symlink, with_parents
from rdma_dp.node.snapshot.model import Snapshot
from rdma_dp.node.snapshot.pseudonym_tables import reversed_bytes
from simulator.host.vpd import encode
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

HCA = "sys/devices/pci0000:3a/0000:3a:00.0/0000:3b:00.0/infiniband/mlx5_0"
NET = "sys/devices/pci0000:3a/0000:3a:00.0/0000:3b:00.0/net"


@dataclass(frozen=True)
class Site:
    """Files with all identifiers of a site, and every spelling that must not remain."""

    mac: int
    guid: int
    ipv4: int
    ipv6: int
    host: str
    domain: str

    def entries(self) -> dict[str, Entry]:
        named = f"enx{self.mac:012x}"
        gids = [
            in_fours(0xFE80 << 112 | self.guid, 32),
            in_fours(0xFE80 << 112 | eui64(self.mac), 32),
            in_fours(0xFFFF << 32 | self.ipv4, 32),
            in_fours(self.ipv6, 32),
        ]
        files = {
            f"{HCA}/node_guid": in_fours(self.guid, 16),
            f"{HCA}/sys_image_guid": in_fours(guid_of(self.mac, 0x0300), 16),
            f"{HCA}/node_desc": f"{self.host} mlx5_0",
            **{f"{HCA}/ports/1/gids/{n}": gid for n, gid in enumerate(gids)},
            f"{NET}/{named}/address": by_bytes(self.mac, 6),
            f"{NET}/{named}/phys_switch_id": f"{reversed_bytes(self.guid):016x}",
            f"{NET}/ib0/address": by_bytes(0x29 << 128 | 0xFE80 << 112 | self.guid, 20),
            "proc/net/log": f"{self.host}.{self.domain} has 0x{self.guid:x} at {ipv6(self.ipv6)},"
            f" {by_bytes(self.mac, 6, '-').upper()} at {ipv4(self.ipv4)}/24",
        }
        found: dict[str, Entry] = {p: File(f"{text}\n".encode()) for p, text in files.items()}
        found[f"sys/class/net/{named}"] = Symlink(f"../../{NET.removeprefix('sys/')}/{named}")
        found["sys/class/net"] = Directory((named,))
        found["sys/bus/pci/devices/0000:3b:00.0/vpd"] = File(
            encode({"SN": f"MT{self.mac:012X}", "V3": f"{self.guid:016x}{self.mac:016x}"})
        )
        return with_parents(found, Directory())

    def snapshot(self) -> Snapshot:
        config = (
            f'{{"comment": "for {self.host}.{self.domain}", "ifNames": ["enx{self.mac:012x}"]}}'
        )
        device = NldevDevice("mlx5_0", netdevs={1: f"enx{self.mac:012x}"})
        view = NetlinkView(devices={"mlx5_0": device}, altnames={"ib0": (f"ibx{self.guid:016x}",)})
        return Snapshot(
            Contents(self.entries()),
            view,
            config=FoundConfig(Path("/home/somebody/config.json"), config.encode()),
        )

    def all_spellings(self) -> list[str]:
        return [
            self.host,
            self.domain,
            "somebody",
            ipv4(self.ipv4),
            ipv6(self.ipv6),
            in_fours(self.ipv6, 32),
            f"ffff:{in_fours(self.ipv4, 8)}",
            *(f"{value:016x}" for value in (self.guid, reversed_bytes(self.guid))),
            in_fours(self.guid, 16),
            in_fours(eui64(self.mac), 16),
            *(by_bytes(self.mac, 6, separator) for separator in (":", "-")),
            f"{self.mac:012x}",
            by_bytes(self.guid, 8),
        ]


domains = st.from_regex(r"\A[a-z]{5,9}\.(corp|lan)\Z")
sites = st.builds(Site, macs, guids, ipv4s, ipv6s, labels, domains)
PLAIN: dict[str, Any] = {
    "guid": 0x9803_9B03_00AA_BBCC,
    "ipv4": 0x0A01_0203,
    "ipv6": 0x2A02_0000_0000_0001_0000_0001_0000_0001,
    "host": "node-17",
    "domain": "rails.lan",
}


# Two sites that share nothing. What the results for both hold (pseudonyms, prefixes, zeros) is from
# no site. A spelling that is a part of it is no leak: 98.18.0.1 is a part of the first pseudonym.
OTHERS = (
    Site(mac=0x9803_9BAA_BBCC, **PLAIN),
    Site(
        mac=0x5C25_7317_4D21,
        guid=0x7CFE_9013_2457_68AC,
        ipv4=0x6440_1122,
        ipv6=0x2607_F8B0_4005_0801_1357_9BDF_0246_8ACE,
        host="gpu-18",
        domain="fabric.corp",
    ),
)


def result(site: Site) -> bytes:
    made = anonymous(site.snapshot(), [f"{site.host}.{site.domain}"])
    assert made.unchanged == made.left_out == ()
    return gzip.decompress(pack(made.snapshot)).lower()


@cache
def of_no_site(spelling: str) -> int:
    """How often the result for a site holds a spelling that is not one of that site."""
    others = (other for other in OTHERS if spelling not in "\n".join(other.all_spellings()))
    return max((_result_of_another(other).count(spelling.encode()) for other in others), default=0)


_result_of_another = cache(result)


# Parts of what each result holds: of the link-local prefix, of pseudonyms.
@example(Site(mac=0x8000_0000_0000, **PLAIN))
@example(Site(mac=0x29_FE80_0000_00, **PLAIN))
@example(Site(mac=0xFE80_0000_0000, **PLAIN))
@example(Site(mac=0x0001_0000_0000, **PLAIN))
@example(Site(mac=0x9803_9BAA_BBCC, **PLAIN | {"guid": 0x8000_0000_0000_0000}))
@example(Site(mac=0x9803_9BAA_BBCC, **PLAIN | {"ipv4": 0x6212_0001}))  # 98.18.0.1
@example(Site(mac=0x9803_9BAA_BBCC, **PLAIN | {"ipv4": 0x0812_0001}))
@given(sites)
def test_nothing_that_names_the_site_survives(site: Site) -> None:
    before = gzip.decompress(pack(site.snapshot())).lower()
    after = result(site)
    spellings = site.all_spellings()
    assert [each for each in spellings if after.count(each.encode()) > of_no_site(each)] == []
    assert sum(spelling.encode() in before for spelling in spellings) > 8


@given(sites)
def test_a_netdev_has_the_same_pseudonym_everywhere(site: Site) -> None:
    made = anonymous(site.snapshot(), [site.host]).snapshot
    [(netdev,)] = [
        entry.names
        for path, entry in made.contents.entries.items()
        if path == "sys/class/net" and isinstance(entry, Directory) and entry.names
    ]
    link = made.contents.entries[f"sys/class/net/{netdev}"]
    assert isinstance(link, Symlink)
    assert link.target.endswith(f"/{netdev}")
    address = made.contents.entries[f"{NET}/{netdev}/address"]
    assert isinstance(address, File)
    assert address.content is not None
    assert netdev == f"enx{address.content.decode().strip().replace(':', '')}"
    assert made.netlink is not None
    assert dict(made.netlink.devices["mlx5_0"].netdevs) == {1: netdev}


def test_a_host_name_that_is_also_a_files_name_is_kept_and_reported() -> None:
    entries = with_parents({"sys/class/net/storage0/address": File(b"x\n")}, Directory())
    for host in ("storage0", "Storage0", "net.example.com", "12345", "vm"):
        assert anonymous(Snapshot(Contents(entries)), [host]).unchanged == (host,)


def test_the_log_of_a_static_pod_does_not_name_the_node() -> None:
    log = "kube-apiserver-{}_kube-system_kube-apiserver-" + 64 * "a" + ".log"
    logs = "proc/1/root/var/log/containers"
    entries = with_parents({logs: Directory((log.format("node17"),))}, Directory())
    made = anonymous(Snapshot(Contents(entries)), ["node17.corp.lan"])
    assert made.snapshot.contents.entries[logs] == Directory((log.format("host-1"),))
    assert made.unchanged == ()


def test_a_binary_file_of_an_unknown_format_is_left_out_and_reported() -> None:
    entries = with_parents(
        {"sys/a/eeprom": File(b"\xb3\x15\0\0\x17"), "sys/a/node_desc": File(b"x\0mlx5_0\0\n")},
        Directory(),
    )
    made = anonymous(Snapshot(Contents(entries)), [])
    assert made.left_out == ("sys/a/eeprom",)
    assert made.snapshot.contents.entries["sys/a/eeprom"] == File(None)
    assert made.snapshot.contents.entries["sys/a/node_desc"] == File(b"x\0mlx5_0\0\n")


def test_versions_and_fixed_words_of_the_kernel_are_kept() -> None:
    entries = with_parents(
        {
            "sys/a/fw_ver": File(b"216.4.59.2\n"),
            "sys/a/link_layer": File(b"Ethernet\n"),
            "sys/a/ifalias": File(b"uplink of ethernet at 216.4.59.2\n"),
        },
        Directory(),
    )
    made = anonymous(Snapshot(Contents(entries)), ["ethernet"]).snapshot.contents.entries
    assert made["sys/a/fw_ver"] == File(b"216.4.59.2\n")
    assert made["sys/a/link_layer"] == File(b"Ethernet\n")
    assert made["sys/a/ifalias"] == File(b"uplink of host-1 at 198.18.0.1\n")


@given(st.dictionaries(st.sampled_from(["sys/a/x", "sys/b", "sys/a/vpd"]), st.binary()))
def test_any_bytes_can_be_made_anonymous(files: dict[str, bytes]) -> None:
    entries = with_parents({path: File(content) for path, content in files.items()}, Directory())
    pack(anonymous(Snapshot(Contents(entries)), ["somehost"]).snapshot)


def test_the_config_of_a_kernel_is_not_that_of_a_card() -> None:
    """H13: both files are called "config"."""
    options = File(b"CONFIG_PCI_P2PDMA=y\n# CONFIG_DMABUF_MOVE_NOTIFY is not set\n")
    symbols = File(b"ffffffffc0a1b2c0 t mlx5_ib_reg_user_mr_dmabuf\t[mlx5_ib]\n")
    paths = ("lib/modules/6.8.0-60-generic/config", "boot/config-5.10.226-214.880.amzn2.x86_64")
    entries = {**dict.fromkeys(paths, options), "proc/kallsyms": symbols}
    made = anonymous(Snapshot(Contents(with_parents(entries, Directory()))), ["node17"])
    assert {path: made.snapshot.contents.entries[path] for path in entries} == entries
    assert made.left_out == ()


def test_a_release_of_a_kernel_is_no_address() -> None:
    """H13: a file that is named after the release is found under its name."""
    release = "5.10.0-60.18.0.50.oe2203.x86_64"
    entries = {
        f"boot/config-{release}": File(b"CONFIG_PCI_P2PDMA=y\n"),
        "proc/sys/kernel/osrelease": File(f"{release}\n".encode()),
    }
    made = anonymous(Snapshot(Contents(with_parents(entries, Directory()))), ["node17"])
    assert {path: made.snapshot.contents.entries.get(path) for path in entries} == entries
