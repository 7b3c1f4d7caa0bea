"""Ending beside a peer, such that kubelet counts right before, meanwhile and after.

kubelet has one client per resource, whoever registered last. At the end of any stream of that
resource it drops this client, not the one whose stream it was, and counts 0 until somebody
registers. But a registration that fails after kubelet has dialled makes it forget its client, and
nothing else: lists go on, and no stream's end matters, until somebody registers
(pkg/kubelet/cm/devicemanager/plugin/v1beta1/handler.go: connectClient, runClient).

So whoever leaves a peer behind registers, refuses what kubelet then asks, and ends unnoticed;
the peer registers when it sees that (`peers`), and kubelet has counted on. Until then
Allocate goes to whoever registered last: where that is the one that left, it fails.

Nothing helps where the heir is killed before it has registered: kubelet counts on until the next
process registers.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

import grpc

from rdma_dp.kubelet.api import status_pb2 as pb
from rdma_dp.kubelet.api import status_pb2_grpc as rpc
from rdma_dp.kubelet.device_plugin.servicer import Plugin
from rdma_dp.kubelet.registration.peers import Peers
from rdma_dp.kubelet.registration.register_call import Registrar
from rdma_dp.kubelet.sockets import SocketError

logger = logging.getLogger(__name__)

# Seconds: for a peer's answer, for the end of one that ends as well, and for the whole. SIGKILL
# comes five seconds after SIGTERM (deploy/), and a kubelet that hangs is no reason to wait for it.
_ASK = 0.5
_END = 1.0
_LONGEST = 3.0


async def leave(plugin: Plugin, registrar: Registrar, peers: Peers) -> None:
    """What is to be done before the plugin's server stops. Never fails: where it leads to nothing,
    kubelet counts 0 for as long as the peer takes to register.
    """
    plugin.leaving = True  # before any look at the others: of two that leave, one sees it
    if not plugin.streams.value.open:
        return
    present, lost = peers.look()
    with contextlib.suppress(TimeoutError, grpc.aio.AioRpcError, SocketError):
        async with asyncio.timeout(_LONGEST):
            staying = {path: said for path, said in await _asked(present) if not said.leaving}
            if heir := _heir(staying):
                await _leave_to(heir, plugin, registrar)
            elif not staying and (present or lost):
                # What those left, they left to us, and kubelet would not notice our end: it would
                # go on counting what nobody serves. One that does not answer may have left, too.
                # Both are needed: two that end at once may each bring a list after the other was
                # dropped. But one that stays will register, and must not be dropped by our end.
                plugin.withdraw()
                await _ends(peers, present)
                await registrar.register()


async def _leave_to(heir: Path, plugin: Plugin, registrar: Registrar) -> None:
    plugin.heir = heir.name
    try:
        await registrar.register()
    except grpc.aio.AioRpcError as error:
        if heir.name in (error.details() or ""):  # kubelet repeats our refusal
            logger.info("%s: left to %s", plugin.resource, heir.name)


def _heir(staying: Mapping[Path, pb.StatusReply]) -> Path | None:
    """A peer that kubelet listens to."""
    return min((path for path, said in staying.items() if said.streams), default=None)


async def _ends(peers: Peers, some: frozenset[Path]) -> None:
    # Not for ever: that one may wait for our end.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_END):
            await peers.until_gone(some)


async def _asked(paths: Iterable[Path]) -> list[tuple[Path, pb.StatusReply]]:
    """What each of them tells; one that does not answer is left out."""
    paths = list(paths)
    answers = await asyncio.gather(*map(_status, paths))
    return [(path, said) for path, said in zip(paths, answers, strict=True) if said is not None]


async def _status(path: Path) -> pb.StatusReply | None:
    with contextlib.suppress(grpc.aio.AioRpcError):
        async with grpc.aio.insecure_channel(f"unix:{path}") as channel:
            return await rpc.StatusStub(channel).Get(pb.StatusRequest(), timeout=_ASK)
    return None
