import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator import host
from tests.unit.simulator.host.trees import dangling, links, text

SAMPLES = Path(host.__file__).parents[1] / "hosts"
ADDRESS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
CHAR_CLASSES = ("sys/class/infiniband_verbs", "sys/class/infiniband_mad")
CLASSES = ("sys/class/infiniband", "sys/class/net", "sys/class/misc", *CHAR_CLASSES)

every_sample = pytest.mark.parametrize("name", host.sample_names())


def built(name: str, root: Path) -> Path:
    host.build(host.load(name), root)
    return root


def live(root: Path, below: str) -> Iterator[Path]:
    """The entries of a class that do not dangle."""
    return (link for link in links(root, below) if link.exists())


@every_sample
def test_a_sample_has_a_comment_and_expectations(name: str) -> None:
    comment = (SAMPLES / f"{name}.yaml").read_text()
    assert comment.startswith("# ")
    assert "# Expected: " in comment
    assert host.load(name).title


@every_sample
def test_only_the_links_written_as_such_dangle(name: str, root: Path) -> None:
    expected = {"damaged": set(host.load(name).links)}.get(name, set())
    assert dangling(built(name, root)) == expected


@every_sample
def test_class_links_lead_to_a_device_of_the_same_name(name: str, root: Path) -> None:
    built(name, root)
    for below in CLASSES:
        for link in live(root, below):
            assert link.resolve().is_relative_to(root.resolve() / "sys/devices")
            assert link.resolve().name == link.name
            assert (link / "subsystem").resolve() == (root / below).resolve()


@every_sample
def test_character_devices_name_an_hca_that_is_there(name: str, root: Path) -> None:
    built(name, root)
    hcas = {link.name for link in links(root, "sys/class/infiniband")}
    for below in CHAR_CLASSES:
        for link in live(root, below):
            assert text(link / "ibdev") in hcas


@every_sample
def test_device_numbers_are_unique(name: str, root: Path) -> None:
    built(name, root)
    numbers = [text(link / "dev") for below in CHAR_CLASSES for link in live(root, below)]
    assert len(numbers) == len(set(numbers))
    assert all(re.fullmatch(r"\d+:\d+", number) for number in numbers)


@every_sample
def test_pci_functions_are_where_the_bus_says(name: str, root: Path) -> None:
    built(name, root)
    for link in live(root, "sys/bus/pci/devices"):
        assert ADDRESS.fullmatch(link.name)
        assert link.resolve().name == link.name
        assert (link / "subsystem").resolve() == (root / "sys/bus/pci").resolve()


@every_sample
def test_drivers_and_devices_point_at_each_other(name: str, root: Path) -> None:
    built(name, root)
    for bus in ("pci", "auxiliary"):
        for device in live(root, f"sys/bus/{bus}/devices"):
            if (device / "driver").is_symlink():
                back = (device / "driver").resolve() / device.name
                assert back.resolve() == device.resolve()


@every_sample
def test_an_hca_and_its_character_devices_have_one_parent(name: str, root: Path) -> None:
    built(name, root)
    for below in CHAR_CLASSES:
        for link in live(root, below):
            hca = root / "sys/class/infiniband" / text(link / "ibdev")
            assert hca.resolve().parent.parent == link.resolve().parent.parent


@every_sample
def test_every_hca_of_the_manifest_is_in_the_class(name: str, root: Path) -> None:
    manifest = host.load(name)
    built(name, root)
    written = {hca for holder in manifest.holders() for hca in holder.hcas}
    assert {link.name for link in live(root, "sys/class/infiniband")} == written


def test_the_demo_host_has_the_addresses_of_a_dgx_h100(root: Path) -> None:
    built("dgx-h100", root)
    found = {
        link.name: link.resolve().parents[1].name.removeprefix("0000:")
        for link in links(root, "sys/class/infiniband")
    }
    assert found == {
        "mlx5_0": "18:00.0", "mlx5_1": "29:00.0", "mlx5_2": "29:00.1", "mlx5_3": "40:00.0",
        "mlx5_4": "4f:00.0", "mlx5_5": "5e:00.0", "mlx5_6": "9a:00.0", "mlx5_7": "aa:00.0",
        "mlx5_8": "aa:00.1", "mlx5_9": "c0:00.0", "mlx5_10": "ce:00.0", "mlx5_11": "dc:00.0",
    }  # fmt: skip


def test_the_seed_host_fits_both_examples_of_the_go_plugin(root: Path) -> None:
    built("seed", root)
    function = root / "sys/class/net/ens1f0np0/device"
    assert text(function / "vendor") == "0x15b3"
    assert text(function / "device") == "0x101b"
    assert [path.name for path in (function / "infiniband").iterdir()] == ["mlx5_0"]


def test_the_vpd_of_a_switch_management_function_is_well_formed(root: Path) -> None:
    built("dgx-b200", root)
    for address in ("05", "06", "07", "08"):
        vpd = (root / f"sys/bus/pci/devices/0000:{address}:00.0/vpd").read_bytes()
        fields = vpd_fields(vpd)
        assert "SMDL=SW_MNG" in fields["VA"].decode()
        assert sum(vpd[: vpd.index(b"RV\x01") + 4]) % 256 == 0
    other = (root / "sys/bus/pci/devices/0000:18:00.0/vpd").read_bytes()
    assert b"SW_MNG" not in other


def vpd_fields(vpd: bytes) -> dict[str, bytes]:
    """The read-only fields. Fails unless they are between an identifier and the end tag."""
    assert vpd[0] == 0x82
    start = 3 + int.from_bytes(vpd[1:3], "little")
    assert vpd[start] == 0x90
    at = start + 3
    end = at + int.from_bytes(vpd[start + 1 : start + 3], "little")
    assert vpd[end:] == b"\x78"
    fields = {}
    while at < end:
        key, length = vpd[at : at + 2].decode(), vpd[at + 2]
        fields[key] = vpd[at + 3 : at + 3 + length]
        at += 3 + length
    assert at == end
    return fields


def test_the_companion_of_a_multi_plane_hca_has_the_issm(root: Path) -> None:
    built("gb300", root)
    function = root / "sys/bus/pci/devices/0000:03:00.0"
    assert {p.name for p in (function / "infiniband").iterdir()} == {"mlx5_0", "smi0"}
    assert [text(p / "ibdev") for p in (function / "infiniband_verbs").iterdir()] == ["mlx5_0"]
    mad = [(p.name[:4], text(p / "ibdev")) for p in (function / "infiniband_mad").iterdir()]
    assert sorted(mad) == [("issm", "smi0")] * 4 + [("umad", "mlx5_0")] + [("umad", "smi0")] * 4


def test_functions_without_an_hca_keep_their_netdev(root: Path) -> None:
    built("roce-bond", root)
    second = root / "sys/bus/pci/devices/0000:81:00.1"
    assert not (second / "infiniband").exists()
    assert (second / "net/ens2f1np1/master").resolve().name == "bond0"
    assert text(root / "sys/class/net/bond0/bonding/slaves") == "ens2f0np0 ens2f1np1"
    ndevs = root / "sys/class/infiniband/mlx5_bond_0/ports/1/gid_attrs/ndevs"
    assert {text(path) for path in ndevs.iterdir()} == {"bond0"}


def test_physical_and_virtual_functions_point_at_each_other(root: Path) -> None:
    built("sriov", root)
    pf = root / "sys/bus/pci/devices/0000:5e:00.0"
    vfs = [(pf / f"virtfn{index}").resolve() for index in range(5)]
    assert [vf.name[-1] for vf in vfs] == ["2", "3", "4", "5", "6"]
    assert all((vf / "physfn").resolve() == pf.resolve() for vf in vfs)
    assert text(pf / "sriov_numvfs") == "5"
    assert [(vf / "infiniband").exists() for vf in vfs] == [True, True, False, False, True]
    assert (vfs[2] / "driver").resolve().name == "vfio-pci"
    assert not (vfs[3] / "driver").exists()


def test_vfs_are_numbered_by_address_around_explicit_numbers(root: Path) -> None:
    written = """
        title: VFs
        functions:
          0000:18:00.3: {id: 15b3:101e, physfn: 0000:18:00.0}
          0000:18:00.2: {id: 15b3:101e, physfn: 0000:18:00.0}
          0000:18:00.1: {id: 15b3:101e, physfn: 0000:18:00.0, vf: 1}
          0000:18:00.0: {id: 15b3:1021}
          0000:3b:00.0: {id: 15b3:1021}
          0000:3b:00.1: {id: 15b3:101e, physfn: 0000:3b:00.0}
        """
    host.build(host.parse(written, "here"), root)
    assert vfs_of(root, "0000:18:00.0") == {
        "virtfn0": "0000:18:00.2", "virtfn1": "0000:18:00.1", "virtfn2": "0000:18:00.3",
    }  # fmt: skip
    assert vfs_of(root, "0000:3b:00.0") == {"virtfn0": "0000:3b:00.1"}


def vfs_of(root: Path, pf: str) -> dict[str, str]:
    found = links(root, f"sys/bus/pci/devices/{pf}")
    return {link.name: link.resolve().name for link in found if link.name.startswith("virtfn")}


def test_a_subfunction_has_its_own_directory_without_pci_attributes(root: Path) -> None:
    built("subfunctions", root)
    sf = (root / "sys/class/infiniband/mlx5_2/device").resolve()
    assert sf.name == "mlx5_core.sf.2"
    assert text(sf / "sfnum") == "88"
    assert not (sf / "vendor").exists()
    assert sf.parent.name == "0000:03:00.0"


def test_a_switchdev_hca_has_a_port_per_vport_and_no_gid(root: Path) -> None:
    built("switchdev", root)
    hca = root / "sys/class/infiniband/mlx5_0"
    assert sorted(p.name for p in (hca / "ports").iterdir()) == ["1", "2", "3"]
    assert list((hca / "ports/1/gids").iterdir()) == []
    assert text(root / "sys/class/net/enp8s0f0_0/phys_port_name") == "pf0vf0"


def test_mlx4_ports_have_guids_and_netdevs_of_their_own(root: Path) -> None:
    built("connectx3", root)
    hca = root / "sys/class/infiniband/mlx4_0"
    port_guid = text(hca / "ports/1/gids/0")[-19:]
    assert port_guid != text(hca / "node_guid")
    address = text(root / "sys/class/net/ib0/address").replace(":", "")
    assert address[-16:] == port_guid.replace(":", "")
    assert [text(hca / f"ports/{n}/link_layer") for n in (1, 2)] == ["InfiniBand", "Ethernet"]
    assert text(root / "sys/class/net/enp5s0d1/dev_port") == "1"
    assert {p.name for p in links(root, CHAR_CLASSES[1])} == {"umad0", "umad1", "issm0"}


def test_an_ipoib_child_has_no_device_link_but_its_parents_ifindex(root: Path) -> None:
    built("ipoib", root)
    child, parent = root / "sys/class/net/ib0.8001", root / "sys/class/net/ib0"
    assert not (child / "device").exists()
    assert text(child / "iflink") == text(parent / "ifindex")
    assert (parent / "device/infiniband/mlx5_1").is_dir()
    assert text(root / "sys/class/infiniband/mlx5_2/ports/1/lid") == "0xffff"


def test_numbers_beyond_the_fixed_minors_have_a_dynamic_major(root: Path) -> None:
    built("gaps", root)
    numbers = {p.name: text(p / "dev") for c in CHAR_CLASSES for p in links(root, c)}
    assert numbers == {
        "uverbs3": "231:195", "uverbs7": "231:199", "uverbs40": "511:8",
        "umad1": "231:1", "umad9": "231:9", "umad70": "510:6",
        "issm1": "231:65", "issm9": "231:73",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("no-modules", set()),
        ("empty", set()),
        ("connectx3-no-rdma", set()),
        ("no-uverbs", {"infiniband", "infiniband_mad"}),
        ("no-umad", {"infiniband", "infiniband_verbs", "misc"}),
        ("seed", {"infiniband", "infiniband_mad", "infiniband_verbs", "misc"}),
    ],
)
def test_a_class_exists_only_with_its_module(name: str, there: set[str], root: Path) -> None:
    built(name, root)
    assert {path.name for path in (root / "sys/class").iterdir()} - {"net"} == there


def test_without_the_rdma_module_the_auxiliary_device_has_no_driver(root: Path) -> None:
    built("no-modules", root)
    offered = root / "sys/bus/auxiliary/devices/mlx5_core.rdma.0"
    assert offered.exists()
    assert not (offered / "driver").exists()
    assert not (root / "sys/module/mlx5_ib").exists()


@pytest.mark.parametrize(("name", "mode"), [("seed", "Y"), ("exclusive-netns", "N")])
def test_the_netns_mode_is_a_module_parameter(name: str, mode: str, root: Path) -> None:
    built(name, root)
    assert text(root / "sys/module/ib_core/parameters/netns_mode") == mode


def test_software_hcas_have_no_device(root: Path) -> None:
    built("soft", root)
    rxe = root / "sys/class/infiniband/rxe0"
    assert rxe.resolve() == root.resolve() / "sys/devices/virtual/infiniband/rxe0"
    assert not (rxe / "device").exists()
    assert text(rxe / "parent") == "enp0s31f6"


def test_the_damaged_host_is_as_in_its_manifest(root: Path) -> None:
    built("damaged", root)
    hcas = root / "sys/class/infiniband"
    assert (hcas / "mlx5_1/ports/1/state").read_bytes() == b"4: ACTIVE"
    assert not (hcas / "mlx5_0/node_guid").exists()
    assert not (hcas / "mlx5_0/ports/1/gid_attrs").exists()
    assert (hcas / "mlx4_0/mlx4_0").is_dir()
    assert (hcas / "stray").is_file()
    assert (hcas / "mlx5_4").resolve().parents[1].name == "10000:e1:00.0"
    assert not (root / "sys/bus/pci/devices/0000:1c:00.0/vendor").exists()
