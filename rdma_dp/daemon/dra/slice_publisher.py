"""Keeps our ResourceSlices on the API server equal to what the node offers.

It compares before it writes, so a restart writes nothing, and two instances in a rolling update
write the same. The slices stay when the process ends: the next process finds them, and kubelet
deletes them if none comes.
"""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Mapping
from typing import Any, Protocol, TypeVar

from rdma_dp.aio.latest import Latest, Observable, changes
from rdma_dp.aio.tasks import start
from rdma_dp.aio.threads import in_thread
from rdma_dp.api_server.api_errors import ApiError, ConflictError, NotFoundError
from rdma_dp.api_server.dra_api import DraApi
from rdma_dp.api_server.slice_watch import Slices, SliceWatch
from rdma_dp.daemon.dra.device_reader import Offer
from rdma_dp.daemon.dra.server_gates import ServerGates
from rdma_dp.daemon.dra.slice_pacing import Pacing
from rdma_dp.daemon.dra.slice_step import Step, next_step, specs
from rdma_dp.dra.devices import Attributes
from rdma_dp.dra.slice_plan import SlicePlan
from rdma_dp.dra.slices import (
    Document,
    Dropped,
    NodeIdentity,
    dropped_fields,
    known_attributes,
)
from rdma_dp.formats.names import NODE_NAME
from rdma_dp.log import Notice
from rdma_dp.metrics import Metrics

logger = logging.getLogger(__name__)

R = TypeVar("R")

# Seconds in which events of one cause arrive, as when kubelet deletes several slices.
_SETTLE = 0.02

# Seconds after which a server that lacks a gate is asked again, by a dry run.
_PROBE_INTERVAL = 600.0


class Offers(Protocol):
    """Where the devices come from: a DeviceReader."""

    @property
    def offer(self) -> Observable[Offer]:
        """What is offered now."""

    async def remember(self, attributes: Mapping[str, Attributes]) -> None:
        """Takes the attributes that devices had before, by their names."""


class SlicePublisher:
    """Publishes the devices of one driver. `withdrawn` is whether none of its slices is left."""

    def __init__(
        self,
        api: DraApi,
        reader: Offers,
        served: Observable[frozenset[str]],
        metrics: Metrics,
        pacing: Pacing | None = None,
    ) -> None:
        self._api = api
        self._reader = reader
        self._served = served
        self._metrics = metrics
        self._facts = metrics.slices_of(api.driver)
        self._watch = SliceWatch(api, self._facts)
        self._gates = ServerGates(api, self._facts)
        self._pacing = pacing or Pacing()
        self._uid = ""
        self._uid_is_new = False
        self._written: tuple[tuple[Document, ...], list[object]] | None = None
        self._undone: Slices | None = None
        self._probe_at = 0.0
        self._delay: float | None = None  # seconds until the next pass without a change
        self._failure = Notice(
            lambda text: logger.error("cannot publish the devices of DRA, trying again: %s", text),
            lambda: logger.info("the devices of DRA can be published again"),
        )
        self.withdrawn = Latest(False)

    async def run(self) -> None:
        """Runs until it is cancelled."""
        if not self._api.node:
            logger.error(
                "no device is published by DRA: the environment has no %s (set it to the name of"
                " the node; deploy/ takes it from spec.nodeName by the downward API)",
                NODE_NAME,
            )
            self._facts.problem = f"the environment has no {NODE_NAME}"
            self.withdrawn.set(True)
            await asyncio.Event().wait()
        async with asyncio.TaskGroup() as tasks:
            start(tasks, "watch of the ResourceSlices", self._watch.run())
            start(tasks, "writes of ResourceSlices", self._publish())

    async def _publish(self) -> None:
        held = await self._watch.held.until(lambda found: found is not None)
        await self._reader.remember(known_attributes((held or {}).values()))
        observed = self._watch.held, self._reader.offer, self._served
        async for _ in changes(*observed, pause=lambda: self._delay, settle=_SETTLE):
            self._delay = await self._pass()

    async def _pass(self) -> float | None:
        """One comparison, and the writes that are due.

        Returns the seconds until the next one without a change, None if none is needed.
        """
        offer, held = self._reader.offer.value, self._watch.held.value
        if held is None:
            return None
        step = await self._step(offer, held)
        if not step.writes.writes or self._written == (step.wanted, specs(held)):
            return await self._at_rest(offer, held)
        self._note(held, current=False)
        if step.waits and not held:
            return None  # not an empty slice first
        now = asyncio.get_running_loop().time()
        if self._written and self._written[0] == step.wanted and self._undone is not held:
            self._undone = held
            self._pacing.undone(now)
        if (due := self._pacing.due(only_taints=step.only_taints)) > now:
            return due - now
        try:
            return await self._follow(offer, step, held)
        except ApiError as error:
            self._failed(error)
            return 0.0

    async def _step(self, offer: Offer, held: Slices) -> Step:
        return await in_thread(
            next_step, offer, held, self._served.value, self._node, self._gates.lacking
        )

    @property
    def _node(self) -> NodeIdentity:
        return NodeIdentity(self._api.node, self._uid)

    async def _at_rest(self, offer: Offer, held: Slices) -> float | None:
        self._failure.set(None)
        self._facts.problem = None
        self._note(held, current=True)
        self.withdrawn.set(offer.settings is None and not held)
        if not self._gates.lacking or offer.settings is None:
            return None
        now = asyncio.get_running_loop().time()
        if now >= self._probe_at:
            self._probe_at = now + _PROBE_INTERVAL
            try:
                await self._gates.probe(offer, self._node)
            except ApiError as error:
                logger.debug("the API server was not asked for its gates again: %s", error)
            return 0.0
        return self._probe_at - now

    async def _follow(self, offer: Offer, step: Step, held: Slices) -> float:
        """Writes, or learns first what the writes need. Raises ApiError."""
        writes, loop = step.writes, asyncio.get_running_loop()
        if writes.creates and not self._uid_is_new:
            # The node may be another one of the same name: slices of the old one are deleted.
            self._uid, self._uid_is_new = await self._api.node_uid(), True
            return 0.0
        if (writes.creates or writes.updates) and offer.devices and not self._gates.probed:
            await self._gates.probe(offer, self._node)
            self._probe_at = loop.time() + _PROBE_INTERVAL
            return 0.0
        self._uid_is_new = False
        after = {**held}
        dropped = await self._write(writes, after)
        # Not what the watch shows: kubelet may have deleted it before the answer came.
        self._written = step.wanted, specs(after)
        self._pacing.wrote(loop.time(), taints=step.taints)
        if self._gates.saw(dropped):
            self._probe_at = loop.time() + _PROBE_INTERVAL
            self._pacing.at_once()
        return 0.0

    async def _write(self, writes: SlicePlan, after: dict[str, Document]) -> list[Dropped]:
        """Sends the writes, in their order, and makes `after` what the server has then.

        Returns what the server did not keep of them. Raises ApiError.
        """
        dropped: list[Dropped] = []
        creates = (("create", each, self._api.create_slice) for each in writes.creates)
        updates = (("update", each, self._updated) for each in writes.updates)
        for verb, each, send in (*updates, *creates):
            answer = await self._counted(verb, send(each))
            dropped += dropped_fields(each, answer)
            after[answer["metadata"]["name"]] = answer
            self._watch.wrote(answer)
        for each in writes.deletes:
            with contextlib.suppress(NotFoundError):
                await self._counted("delete", self._api.delete_slice(each))
            after.pop(each["metadata"]["name"], None)
            self._watch.deleted(each)
        return dropped

    async def _updated(self, wanted: Document) -> Document:
        try:
            return await self._api.update_slice(wanted)
        except NotFoundError as error:
            self._watch.deleted(wanted)
            raise ConflictError(error.message) from error

    async def _counted(self, verb: str, work: Coroutine[Any, Any, R]) -> R:
        try:
            answer = await work
        except ApiError:
            self._metrics.slice_writes.add(verb, "error")
            raise
        self._metrics.slice_writes.add(verb, "ok")
        return answer

    def _failed(self, error: ApiError) -> None:
        self._pacing.failed(asyncio.get_running_loop().time(), error)
        if isinstance(error, ConflictError):
            logger.debug("a ResourceSlice has changed meanwhile: %s", error)  # the watch shows it
        else:
            self._failure.set(str(error))
            self._facts.problem = str(error)

    def _note(self, held: Slices, *, current: bool) -> None:
        facts = self._facts
        facts.published, facts.current = len(held), current
        facts.once_current = facts.once_current or current
        facts.devices = sum(len(each["spec"].get("devices") or ()) for each in held.values())
