"""The hand-over between two processes that serve one resource, as in a rolling update.

What kubelet does (pkg/kubelet/cm/devicemanager/plugin/v1beta1/handler.go, connectClient and
runClient):

- It has one client per resource: the plugin that registered last. Allocate goes there. It merges
  nothing: every open ListAndWatch stream may replace the list.
- When any stream of the resource ends, or the plugin watcher misses any of its sockets, kubelet
  drops the client, whichever process that is, and counts 0 until a plugin registers.
- When a registration fails after kubelet has dialled, kubelet forgets its client and does nothing
  else. Lists go on, and no stream's end has an effect until a plugin registers.

From 1.37 on, kubelet has one client for each socket path. The end of a stream drops its own client
only. Another one of the resource takes its place, and kubelet counts 0 when the last one is gone.
Each registration names another path (`registrar`), so the steps below work there, too: one that
fails has no effect, and one more adds a client.

The process that ends (`hand_over`; the states are those of `HandoverState`):

1. SERVING to ASKING_PEERS: it marks itself as leaving in its own status, then asks every peer for
   its status. The mark comes first, so that of two processes that end at once one sees the other.
2. A peer that does not end and has a stream of kubelet is the successor. ASKING_PEERS to
   HANDING_OVER: the process registers, and refuses kubelet's question for its options. kubelet has
   no client now, which is HANDED_OVER. The process stops its server, and kubelet counts on.
3. If there are peers, or were some, and all of them end: ASKING_PEERS to WITHHOLDING. Those that
   ended first may have handed over to this process, and kubelet would not notice its end: it would
   go on counting slots that no process serves. So the process lists every slot as unhealthy, waits
   for the others to exit, and registers, so that its end counts. It does the same if its own last
   registration did not succeed, as in the middle of step 5 or 6.
4. If a peer stays but has no stream yet, the process just ends. That peer is about to register.

The process that stays (`stay_registered`):

5. It remembers the sockets that were present when its registration began and those that came later
   (`neighbours`). When one of them ends, kubelet may have no client, or may have dropped it. The
   process registers again, on the same socket, with its old streams open, so the count does not
   fall.
6. Each such registration leaves one more stream open. With MOST_STREAMS of them the process ends
   the older ones. SERVING to RENEWING: it makes kubelet forget its client as in step 2, so that the
   end of a stream has no effect. It ends all streams but the newest, which is a client that kubelet
   1.37 keeps. Then it registers as in step 5.

Step 5 also holds for plugins of others that serve the same resource (`rivals`). Their end is not
announced, so kubelet counts 0 until step 5 is done. Between step 2 and step 5 Allocate goes to the
process that registered last; if that is the one that ended, Allocate fails. If the successor is
killed in between, kubelet counts on until a plugin registers.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

import grpc

from rdma_dp.aio.latest import first_of
from rdma_dp.kubelet.clients.channel import NO_CHANNEL, UnintelligibleError
from rdma_dp.kubelet.clients.status_client import status_of
from rdma_dp.kubelet.device_plugin.handover_state import Handover, HandoverState
from rdma_dp.kubelet.device_plugin.servicer import Plugin
from rdma_dp.kubelet.registration.lost import Loss
from rdma_dp.kubelet.registration.neighbours import Neighbours
from rdma_dp.kubelet.registration.peers import Peers
from rdma_dp.kubelet.registration.registrar import STREAM_TIMEOUT, Registrar
from rdma_dp.kubelet.sockets import SocketError
from rdma_dp.kubelet.statuses import PluginStatus

logger = logging.getLogger(__name__)

# Streams of kubelet with which a process ends the older ones: step 6.
MOST_STREAMS = 8

# Seconds until kubelet has noticed that streams have ended. One that does so during the next
# registration drops the client of that one.
_NOTICED = 0.5

# Seconds: for a peer's status, for the exit of one that ends as well, and for the whole. SIGKILL
# comes five seconds after SIGTERM (deploy/), and a kubelet that hangs is no reason to wait for it.
_STATUS_TIMEOUT = 1.0
_EXIT_TIMEOUT = 1.0
HANDOVER_TIMEOUT = 3.0


async def hand_over(plugin: Plugin, registrar: Registrar, peers: Peers) -> None:
    """Steps 1 to 4, before the plugin's server stops. Never fails: without a hand-over kubelet
    counts 0 until the peer has registered again.
    """
    plugin.handover.set(Handover(HandoverState.ASKING_PEERS))
    if not plugin.streams.value.open:
        return
    present, gone = peers.scan()
    with contextlib.suppress(TimeoutError, grpc.aio.AioRpcError, SocketError):
        async with asyncio.timeout(HANDOVER_TIMEOUT):
            asked = await _statuses(present.values())
            staying = {path: status for path, status in asked if not status.leaving}
            if successor := _successor(staying):
                await _hand_over_to(successor, plugin, registrar)
            elif not staying and (present or gone or registrar.unfinished):
                # A peer that does not answer may have handed over, too.
                plugin.handover.set(Handover(HandoverState.WITHHOLDING))
                await _exits(peers, present)
                await registrar.register()


async def _hand_over_to(successor: Path, plugin: Plugin, registrar: Registrar) -> None:
    plugin.handover.set(Handover(HandoverState.HANDING_OVER, successor.name))
    with contextlib.suppress(grpc.aio.AioRpcError):
        await registrar.register()
    if plugin.handover.value.state is HandoverState.HANDED_OVER:
        logger.info("%s: handed over to %s", plugin.resource, successor.name)


def _successor(staying: Mapping[Path, PluginStatus]) -> Path | None:
    """A peer that has a stream of kubelet."""
    return min((path for path, status in staying.items() if status.streams), default=None)


async def _exits(peers: Peers, some: Iterable[str]) -> None:
    # Not for ever: that one may wait for our exit.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_EXIT_TIMEOUT):
            await peers.until_gone(some)


async def _statuses(paths: Iterable[Path]) -> list[tuple[Path, PluginStatus]]:
    """The status of each peer; one that does not answer is left out."""
    paths = list(paths)
    statuses = await asyncio.gather(*map(_status, paths))
    return [(path, got) for path, got in zip(paths, statuses, strict=True) if got is not None]


async def _status(path: Path) -> PluginStatus | None:
    with contextlib.suppress(grpc.aio.AioRpcError, UnintelligibleError, *NO_CHANNEL):
        return await status_of(path, _STATUS_TIMEOUT)
    return None


async def stay_registered(
    plugin: Plugin, registrar: Registrar, neighbours: Iterable[Neighbours], pause: float
) -> Loss:
    """Steps 5 and 6: registers again each time that a neighbour ends.

    `pause` is in seconds, see `Neighbours.gone`. Returns the loss when a new socket is needed.
    """
    registrar.unfinished = False  # kubelet has just accepted this process
    while True:
        loss = await first_of(*(each.gone(pause) for each in neighbours))
        if plugin.streams.value.open >= MOST_STREAMS:
            await _end_older_streams(plugin, registrar)
        if not await _registered_again(plugin, registrar, loss):
            return loss


async def _registered_again(plugin: Plugin, registrar: Registrar, loss: Loss) -> bool:
    """Whether kubelet has opened one more stream. A new socket would close the open ones."""
    before = plugin.streams.value
    if not before.open:
        return False
    logger.info("%s: %s; registering once more", plugin.resource, loss)
    try:
        await registrar.register()
        async with asyncio.timeout(STREAM_TIMEOUT):
            await plugin.streams.until(lambda streams: streams.opened > before.opened)
    except (grpc.aio.AioRpcError, SocketError, TimeoutError):
        return False
    plugin.note_registered()
    return True


async def _end_older_streams(plugin: Plugin, registrar: Registrar) -> None:
    """Step 6, before the process registers once more."""
    plugin.handover.set(Handover(HandoverState.RENEWING))
    try:
        with contextlib.suppress(grpc.aio.AioRpcError, SocketError):
            await registrar.register()
        refused = plugin.handover.value.refused
    finally:
        plugin.handover.set(Handover())
    if not refused:  # kubelet has not asked, and still has its client
        return
    # One that kubelet does not read ends only with its connection.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(STREAM_TIMEOUT):
            await plugin.end_older_streams()
    await asyncio.sleep(_NOTICED)
