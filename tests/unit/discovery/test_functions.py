"""What an HCA sits on: PF, VF or SF, which one, and what its PF's netdevs are called."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rdma_dp.discovery import scan
from rdma_dp.host.files import Host, HostError
from rdma_dp.host.paths import PCI_DEVICES
from rdma_dp.inventory.hardware import Hca, Inventory
from simulator import host as simulated
from simulator.host.manifest import Function, Manifest
from tests.conftest import Fresh, Look, Sample

PF = "0000:5e:00.0"


def by_name(inventory: Inventory) -> dict[str, Hca]:
    return {hca.name: hca for hca in inventory.hcas}


def kinds(inventory: Inventory) -> dict[str, str]:
    return {
        hca.name: f"{hca.function_type} {'' if hca.index is None else hca.index}".rstrip()
        for hca in inventory.hcas
    }


def pf_names(inventory: Inventory) -> dict[str, tuple[str, ...]]:
    return {hca.name: hca.pf_names for hca in inventory.hcas}


# --- which function -----------------------------------------------------------------------------


def test_vfs_have_the_numbers_of_the_pfs_links_and_those_without_hca_count_too(look: Look) -> None:
    inventory = look("sriov")
    assert kinds(inventory) == {
        "mlx5_0": "pf",
        "mlx5_1": "vf 0",
        "mlx5_2": "vf 1",
        "mlx5_3": "vf 4",
    }
    assert [other.function.vf for other in inventory.unused_functions] == [2, 3]


def test_subfunctions_have_the_administrators_numbers(look: Look) -> None:
    assert kinds(look("subfunctions")) == {
        "mlx5_0": "pf", "mlx5_1": "pf", "mlx5_2": "sf 88", "mlx5_3": "sf 0",
        "rocep3s0f0S99": "sf 99",
    }  # fmt: skip


def test_soft_hcas_are_virtual(look: Look) -> None:
    assert kinds(look("soft")) == {"rxe0": "virtual", "siw0": "virtual"}


def test_a_vf_in_a_virtual_machine_is_a_pf_there(look: Look) -> None:
    assert set(kinds(look("azure-vf")).values()) == {"pf"}


def test_a_vf_whose_pf_does_not_link_to_it_has_no_number(fresh: Fresh) -> None:
    root = fresh("sriov").root
    (root / PCI_DEVICES / PF / "virtfn1").unlink()
    assert kinds(scan(Host(root)))["mlx5_2"] == "vf"
    assert kinds(scan(Host(root)))["mlx5_3"] == "vf 4"


def test_a_pf_that_cannot_be_listed_costs_the_numbers_of_its_vfs_only(sample: Sample) -> None:
    class Unlistable(Host):
        def entries(self, path: str) -> tuple[str, ...]:
            if path == f"{PCI_DEVICES}/{PF}":
                raise HostError(f"cannot read {path}: Input/output error")
            return super().entries(path)

    inventory = scan(Unlistable(sample("sriov")))
    assert kinds(inventory) == {"mlx5_0": "pf", "mlx5_1": "vf", "mlx5_2": "vf", "mlx5_3": "vf"}
    assert all(hca.shareable for hca in inventory.hcas)


@st.composite
def vfs(draw: st.DrawFn) -> dict[str, tuple[str, int]]:
    """PF and number of each VF, by its address; numbers in any order and with gaps."""
    found = {}
    for pf in range(draw(st.integers(0, 3))):
        numbers = draw(st.lists(st.integers(0, 255), max_size=7, unique=True))
        for function, number in enumerate(numbers, start=1):
            found[f"0000:{pf:02x}:01.{function}"] = (f"0000:{pf:02x}:00.0", number)
    return found


def virtualized(vfs: dict[str, tuple[str, int]]) -> Manifest:
    pfs = {pf: Function.model_validate({"id": "15b3:1021"}) for pf, _ in vfs.values()}
    for index, (address, (pf, number)) in enumerate(vfs.items()):
        written = {"id": "15b3:101e", "physfn": pf, "vf": number, "hcas": [f"mlx5_{index}"]}
        pfs[address] = Function.model_validate(written)
    return Manifest(title="VFs", functions=pfs)


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(vfs=vfs())
def test_every_vf_has_its_own_number_on_its_own_pf(
    vfs: dict[str, tuple[str, int]], memory: Path
) -> None:
    with tempfile.TemporaryDirectory(dir=memory) as directory:
        simulated.build(virtualized(vfs), Path(directory) / "host")
        functions = [hca.function for hca in scan(Host(Path(directory) / "host")).hcas]
    assert {f.address: (f.physfn, f.vf) for f in functions if f} == vfs


# --- names of the PF ----------------------------------------------------------------------------


def test_a_pf_and_its_vfs_have_the_pfs_netdev(look: Look) -> None:
    assert set(pf_names(look("sriov")).values()) == {("ens3f0np0",)}


def test_a_subfunction_has_its_parents_netdev_and_not_its_own(look: Look) -> None:
    found = pf_names(look("subfunctions"))
    assert found.pop("mlx5_1") == ("enp3s0f1np1",)
    assert set(found.values()) == {("enp3s0f0np0",)}


def test_a_vf_of_a_pf_without_hca_has_its_netdev(fresh: Fresh) -> None:
    manifest = simulated.load("sriov")
    pf = manifest.functions[PF].model_copy(update={"hcas": {}, "rdma": False})
    functions = {**manifest.functions, PF: pf}
    inventory = scan(Host(fresh(manifest.model_copy(update={"functions": functions})).root))
    assert pf_names(inventory) == dict.fromkeys(("mlx5_1", "mlx5_2", "mlx5_3"), ("ens3f0np0",))


@pytest.mark.parametrize(
    ("name", "hca", "names"),
    [
        ("switchdev", "mlx5_0", ("enp8s0f0np0",)),
        ("switchdev", "mlx5_1", ("enp8s0f0np0",)),
        ("switchdev", "mlx5_2", ("enp8s0f0np0",)),
        ("bluefield-arm", "mlx5_2", ("p0",)),
    ],
)
def test_no_representor_names_a_pf(name: str, hca: str, names: tuple[str, ...], look: Look) -> None:
    assert by_name(look(name))[hca].pf_names == names


def test_a_roce_bond_has_the_names_of_both_ports_and_not_of_the_bond(look: Look) -> None:
    assert pf_names(look("roce-bond"))["mlx5_bond_0"] == ("ens2f0np0", "ens2f1np1")
    assert pf_names(look("multiport-roce"))["mlx5_0"] == ("enp196s0f0np0", "enp196s0f1np1")


def test_a_bond_over_two_cards_leaves_each_its_own_name(look: Look) -> None:
    found = pf_names(look("bond-of-two-cards"))
    assert found == {"mlx5_0": ("enp23s0np0",), "mlx5_1": ("enp101s0np0",)}


def test_an_ipoib_child_does_not_name_the_pf(look: Look) -> None:
    assert pf_names(look("ipoib"))["mlx5_1"] == ("ib0",)


def test_a_pf_without_netdev_and_a_soft_hca_have_no_names(look: Look) -> None:
    assert pf_names(look("dgx-b200"))["mlx5_4"] == ()
    assert pf_names(look("soft"))["rxe0"] == ()


def test_a_netdev_that_cannot_be_read_costs_its_vfs_that_name_only(sample: Sample) -> None:
    class Broken(Host):
        def link_name(self, path: str) -> str | None:
            if path == "sys/class/net/ens3f0np0/master":
                raise HostError(f"cannot read {path}: Input/output error")
            return super().link_name(path)

    inventory = scan(Broken(sample("sriov")))
    assert [hca.name for hca in inventory.hcas if hca.shareable] == ["mlx5_1", "mlx5_2", "mlx5_3"]
    assert set(pf_names(inventory).values()) == {()}
