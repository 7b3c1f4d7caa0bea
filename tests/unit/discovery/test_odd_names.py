"""HCAs with names that the kernel allows, but that no list of names can hold."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from rdma_dp.config import EnvForm
from rdma_dp.discovery import scan
from rdma_dp.host.files import Host
from rdma_dp.inventory.hardware import Inventory
from rdma_dp.inventory.topology import Topology
from rdma_dp.inventory.verdicts import IneligibleCode
from rdma_dp.render import console, discover, dry_run, explain
from rdma_dp.render.topology import drawing
from rdma_dp.render.topology.pcie_tree import View
from rdma_dp.sharing.allocation import grant
from rdma_dp.sharing.pool import make_pool
from rdma_dp.sharing.selection import select
from tests.conftest import Fresh
from tests.makers import resource

ODD = (
    b"a\nb",
    b"a b",
    b"a,b",
    b"a:1",
    b"a\tb",
    b"a\x1b[2Jb",
    b"a\x7f",
    b"a\xff",
    b"\xc2\x85",
    b"\xe2\x80\xae",
)
ORDINARY = (b"mlx5_0", b"rocep1s0f0", b"rxe-eth0.100", b"rxe_\xc3\xa9", b"siw!0", b"rdma@1+x")


def renamed(root: Path, name: bytes) -> Inventory:
    """The scan of the host after its first HCA got another name, as `rdma dev set` gives it."""
    directory = root / "sys/class/infiniband"
    (directory / "mlx5_0").rename(directory / os.fsdecode(name))
    ibdev = root / "sys/class/infiniband_verbs/uverbs0/ibdev"
    ibdev.write_bytes(name + b"\n")
    return scan(Host(root))


@pytest.mark.parametrize("name", ODD)
def test_an_hca_whose_name_no_list_can_hold_is_not_shared(fresh: Fresh, name: bytes) -> None:
    """A4: such a name would reach the variables of containers, and the ids of slots."""
    inventory = renamed(fresh("seed").root, name)
    (odd,) = (hca for hca in inventory.hcas if hca.name == os.fsdecode(name))
    assert odd.ineligible is not None
    assert odd.ineligible.code is IneligibleCode.NAME
    wanted = replace(resource(ifNames=["*"]), env={"NCCL_IB_HCA": EnvForm.PORTS})
    pool = make_pool(select(inventory, wanted), inventory.system)
    assert {hca.name for hca in pool.hcas} == {"mlx5_1"}
    assert all(value.count("mlx5") == 1 for value in grant(pool).envs.values())


@pytest.mark.parametrize("name", ORDINARY)
def test_other_names_are_shared(fresh: Fresh, name: bytes) -> None:
    inventory = renamed(fresh("seed").root, name)
    assert [os.fsencode(hca.name) for hca in inventory.hcas if hca.shareable] == sorted(
        [name, b"mlx5_1"]
    )


def rows(inventory: Inventory) -> list[str]:
    """The lines of all tables and drawings of the node."""
    pool = make_pool(select(inventory, resource(ifNames=["*"])), inventory.system)
    tables = (
        discover.discover(inventory, wide=True),
        dry_run.dry_run(inventory, [pool], ()),
        explain.dry_run([pool]),
        drawing.drawing(View(Topology(), inventory)),
    )
    return [line for each in tables for line in console.plain(each, console.WIDE).splitlines()]


@pytest.mark.parametrize("name", ODD)
def test_a_name_does_not_begin_a_row(fresh: Fresh, name: bytes) -> None:
    """A4: tables show each HCA in a row of its own, and only printable characters."""
    found = rows(renamed(fresh("seed").root, name))
    assert all(line.isprintable() for line in found)
    assert len(found) == len(rows(renamed(fresh("seed").root, b"a,")))
