"""Unexpected errors end the process with a reason. Errors that can be repaired do not."""

import pytest

from simulator.kubelet import SimulatedKubelet
from tests.integration.daemon.process import NAME, Node, healthy, python

_INJECTION = """
import asyncio, os, sys
from functools import partial
from rdma_dp.daemon import daemon
from rdma_dp.host.files import Host, HostError

async def broken(*arguments):
    raise ZeroDivisionError("injected")

async def ending(*arguments):
    pass

async def cancelled(*arguments):
    raise asyncio.CancelledError("injected")

def scans_raise(error, while_there_is):
    real = Host.entries
    def entries(host, path):
        if os.path.exists(while_there_is):
            raise error
        return real(host, path)
    Host.entries = entries

{injected}

from rdma_dp.cli.main import main
sys.exit(main())
"""


def injected(code: str) -> str:
    return _INJECTION.replace("{injected}", code)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("daemon.Registrations = partial(daemon.Registrations, keep=broken)", "injected"),
        (
            "daemon.Registrations = partial(daemon.Registrations, keep=ending)",
            "rdma/a ended unexpectedly",
        ),
        (
            "daemon.Registrations = partial(daemon.Registrations, keep=cancelled)",
            "rdma/a ended unexpectedly",
        ),
        ("daemon.DirectoryWatch.run = broken", "injected"),
        ("daemon.DirectoryWatch.run = ending", "ended unexpectedly"),
    ],
)
async def test_an_unexpected_end_of_any_task_ends_the_process_with_its_reason(
    node: Node, kubelet: SimulatedKubelet, code: str, reason: str
) -> None:
    node.configure()
    async with python(injected(code), "run", *node.arguments) as daemon:
        assert await daemon.ended() not in (0, None)
        await daemon.says(reason)
    assert node.sockets() == []


async def test_a_scan_that_breaks_ends_the_process_with_its_reason(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    node.configure()
    marker = node.directory / "broken"
    code = f"scans_raise(ZeroDivisionError('injected'), {str(marker)!r})"
    async with python(injected(code), "run", *node.arguments) as daemon:
        await kubelet.wait_for(NAME, healthy(4))
        marker.touch()
        assert await daemon.ended() not in (0, None)
        await daemon.says("ZeroDivisionError: injected")
    assert node.sockets() == []


async def test_a_scan_that_fails_at_the_start_is_tried_until_it_works(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    """Nothing is registered before either: a guess would be a wrong list."""
    node.configure()
    marker = node.directory / "failing"
    marker.touch()
    code = f"scans_raise(HostError('the node is odd'), {str(marker)!r})"
    async with python(injected(code), "run", *node.arguments) as daemon:
        await daemon.says("the scan failed", "the node is odd")
        assert node.sockets() == []
        marker.unlink()
        await kubelet.wait_for(NAME, healthy(4))
        await daemon.stop()


async def test_a_scan_that_fails_later_leaves_the_last_list(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    node.configure()
    marker = node.directory / "failing"
    code = f"scans_raise(HostError('the node is odd'), {str(marker)!r})"
    async with python(injected(code), "run", *node.arguments) as daemon:
        await kubelet.wait_for(NAME, healthy(4))
        marker.touch()
        await daemon.says("the scan failed", "the node is odd")
        node.unplug_all()
        assert kubelet.allocatable(NAME) == 4
        marker.unlink()
        await kubelet.wait_for(NAME, healthy(0, of=4))
        await daemon.stop()
