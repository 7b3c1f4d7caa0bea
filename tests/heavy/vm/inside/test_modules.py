"""Kernel modules are unloaded and loaded under a daemon without a timer."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import pytest_asyncio

from rdma_dp.host.netlink.values import NETLINK_RDMA
from tests.heavy.vm.inside import fabric
from tests.heavy.vm.inside.daemon import DEADLINE
from tests.heavy.vm.inside.fabric import FABRIC_A, RDMA_CM
from tests.heavy.vm.inside.node import Node, running_node
from tests.integration.daemon.scraping import LOOPBACK, free_port, scrape

RESOURCE = {
    "resourceName": "fabric",
    "rdmaHcaMax": 2,
    "selectors": {"ifNames": [FABRIC_A.netdev]},
}

DEV_INFINIBAND = Path("/dev/infiniband")

# All modules of RDMA but ib_core, in the order of unloading.
STACK = ("rdma_rxe", "rdma_ucm", "rdma_cm", "iw_cm", "ib_cm", "ib_umad", "ib_uverbs")
RDMA_NETLINK = "net-pf-16-proto-20"  # the alias of ib_core by which a socket loads it

MODPROBE = Path("/proc/sys/kernel/modprobe")  # what the kernel runs to load a module

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node() -> AsyncIterator[Node]:
    async with running_node(RESOURCE) as node:
        await node.lists("rdma/fabric", healthy=2)
        yield node


@contextmanager
def unloaded(*modules: str) -> Iterator[None]:
    """Unload these modules until the end. Each comes before those that it needs."""
    fabric.unload(*modules)
    try:
        yield
    finally:
        fabric.load(*reversed(modules))


async def test_hcas_go_with_their_driver_and_come_back_with_it(node: Node) -> None:
    with unloaded("rdma_rxe"):
        await node.lists("rdma/fabric", unhealthy=2)
    fabric.plug_all()  # the driver is loaded without HCAs
    await node.lists("rdma/fabric", healthy=2)
    await node.hands_out("rdma/fabric", {*FABRIC_A.nodes, RDMA_CM})


async def test_everything_below_dev_infiniband_is_made_anew(node: Node) -> None:
    with unloaded("rdma_rxe", "rdma_ucm", "ib_uverbs", "ib_umad"):
        await node.lists("rdma/fabric", unhealthy=2)
        assert not DEV_INFINIBAND.exists()
    fabric.plug_all()
    await node.lists("rdma/fabric", healthy=2)
    await node.hands_out("rdma/fabric", {*FABRIC_A.nodes, RDMA_CM})


@pytest.fixture
def wanted_by_the_kernel(tmp_path: Path) -> Iterator[Path]:
    """A file with the modules that the kernel wants to load, one a line."""
    log, program = tmp_path / "log", tmp_path / "modprobe"
    log.touch()
    program.write_text(f'#!/bin/sh\necho "$*" >> {log}\nexit 1\n')
    program.chmod(0o755)
    usual = MODPROBE.read_text()
    MODPROBE.write_text(str(program))
    yield log
    MODPROBE.write_text(usual)


async def test_the_whole_stack_can_be_restarted_under_the_daemon(
    wanted_by_the_kernel: Path,
) -> None:
    """The daemon keeps no module in use, and its scans load none."""
    port = free_port()
    async with running_node(RESOURCE, flags=("--metrics", f"{LOOPBACK}:{port}")) as node:
        await node.lists("rdma/fabric", healthy=2)
        with unloaded(*STACK):
            await node.lists("rdma/fabric", unhealthy=2)
            await unload_when_unused("ib_core")  # a scan may have a socket of it
            await scanned(port)
            assert RDMA_NETLINK not in wanted_by_the_kernel.read_text()
            with pytest.raises(OSError, match="not supported"):  # as a scan must not do
                socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_RDMA)
            assert RDMA_NETLINK in wanted_by_the_kernel.read_text()
            fabric.load("ib_core")
        fabric.plug_all()
        await node.lists("rdma/fabric", healthy=2)


async def unload_when_unused(module: str) -> None:
    """Try until the kernel accepts it."""
    async with asyncio.timeout(DEADLINE):
        while True:
            with suppress(AssertionError):
                return fabric.unload(module)
            await asyncio.sleep(0.1)


async def scanned(port: int) -> None:
    """Cause a scan by an event, and return when it has ended."""
    found = before = await scans(port)
    next(Path("/sys/bus/pci/devices").glob("*/uevent")).write_text("change")
    async with asyncio.timeout(DEADLINE):
        while found == before:
            await asyncio.sleep(0.1)
            found = await scans(port)


async def scans(port: int) -> float | None:
    return (await scrape(port)).get("scans_total", result="ok")


async def test_management_nodes_are_handed_out_while_ib_umad_is_loaded(node: Node) -> None:
    with unloaded("ib_umad"):
        await node.daemon.says("`modprobe ib_umad` makes the nodes")
        await node.hands_out("rdma/fabric", {FABRIC_A.uverbs, RDMA_CM})
    await node.hands_out("rdma/fabric", {*FABRIC_A.nodes, RDMA_CM})


async def test_rdma_cm_is_handed_out_while_rdma_ucm_is_loaded(node: Node) -> None:
    with unloaded("rdma_ucm"):
        await node.daemon.says("`modprobe rdma_ucm` makes the node")
        await node.hands_out("rdma/fabric", FABRIC_A.nodes)
    await node.hands_out("rdma/fabric", {*FABRIC_A.nodes, RDMA_CM})
