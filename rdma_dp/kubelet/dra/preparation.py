"""Prepares and unprepares claims, as kubelet asks for it.

    prepare:   claim prepared? -> GET the claim -> claim file, CDI spec
    unprepare: CDI spec, claim file

After a crash between any two steps, kubelet repeats its request, and the same steps lead to the
same end. A claim that is prepared needs no API server.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from rdma_dp.aio.latest import Latest
from rdma_dp.aio.tasks import uninterrupted
from rdma_dp.aio.threads import in_thread
from rdma_dp.dra.claims import ClaimError
from rdma_dp.errors import FAILED_READ, RdmaDpError
from rdma_dp.kubelet.dra.claim_files import KeptClaim
from rdma_dp.kubelet.dra.claim_record import ClaimRecord, ClaimRef, is_uid
from rdma_dp.kubelet.dra.claim_store import ClaimStore
from rdma_dp.log import Notice
from rdma_dp.metrics import Metrics

logger = logging.getLogger(__name__)

R = TypeVar("R")

GetClaim = Callable[[str, str], Awaitable[Mapping[str, Any]]]
"""Reads a ResourceClaim by namespace and name. Raises RdmaDpError."""

# Seconds in which the API server may confirm a claim that is prepared. Without an answer, what is
# prepared goes on.
_CONFIRMATION = 2.0


class UnreadClaimError(RdmaDpError):
    """The API server does not answer with the claim."""


class Preparation:
    """The claims of one driver on this node.

    `claims` are those that are prepared, by UID, also by the other instance of an update; None
    before they were read. `count` is their number, with those whose file cannot be read. `stuck`
    are those that kubelet has forgotten and that cannot be released, in words; the daemon sets it.
    """

    def __init__(
        self,
        driver: str,
        store: ClaimStore,
        get_claim: GetClaim,
        metrics: Metrics | None = None,
        confirmation: float = _CONFIRMATION,
        on_prepared: Callable[[ClaimRef, Mapping[str, Any]], None] | None = None,
    ) -> None:
        """`confirmation`: seconds to wait for the API server if the claim is prepared already.

        `on_prepared` gets each claim, with its object, that was not prepared before.
        """
        self._on_prepared = on_prepared
        self._driver = driver
        self._store = store
        self._get_claim = get_claim
        self._metrics = metrics or Metrics()
        self._confirmation = confirmation
        self._turns: dict[str, tuple[asyncio.Lock, int]] = {}
        self._unread = Notice(logger.warning)
        self.claims: Latest[Mapping[str, ClaimRecord] | None] = Latest(None)
        self.count: Latest[int | None] = Latest(None)
        self.stuck: tuple[str, ...] = ()

    async def prepare(self, ref: ClaimRef) -> ClaimRecord:
        """What the claim's containers get: for a prepared claim, the same as before.

        Raises RdmaDpError. The pod's owner reads the text in an event.
        """
        begun, result = time.perf_counter(), "error"
        try:
            record = await self._prepare(ref)
            result = "ok"
        except ClaimError:
            result = "refused"
            raise
        except UnreadClaimError:
            result = "api-server"
            raise
        finally:
            seconds = time.perf_counter() - begun
            self._metrics.claim_prepares.add(self._driver, result)
            self._metrics.claim_prepare_seconds.add(self._driver, seconds=seconds)
        logger.info("claim %s: prepared: %s", ref, _given(record))
        return record

    async def unprepare(self, ref: ClaimRef) -> None:
        """Releases the claim. An unknown one is no error. Raises RdmaDpError."""
        result = "error"
        try:
            _check(ref)
            async with self._turn(ref.uid):
                await _whole(self._store.release, ref)
                self._note()
            result = "ok"
        finally:
            self._metrics.claim_unprepares.add(self._driver, result)
        logger.info("claim %s: unprepared", ref)

    async def kept(self) -> Mapping[str, KeptClaim]:
        """The files of all claims by UID. Raises RdmaDpError."""
        return await _whole(self._store.kept)

    async def release(self, uid: str, kept: KeptClaim) -> bool:
        """Releases a claim that kubelet does not unprepare, unless it was prepared since `kept`.

        Returns whether it was released. Raises RdmaDpError.
        """
        async with self._turn(uid):
            released = await _whole(self._store.release_unchanged, uid, kept)
            self._note()
        return released

    async def renew(self) -> None:
        """Reads the claims, and makes their specs those of the hardware of now.

        What fails is logged once. It is done again with the next change of the hardware, or later.
        """
        try:
            await _whole(self._store.renew)
        except FAILED_READ as error:
            self._unread.set(f"the claims of {self._driver} cannot be read: {error}")
            return
        self._unread.set(None)
        self._note()

    async def _prepare(self, ref: ClaimRef) -> ClaimRecord:
        _check(ref)
        async with self._turn(ref.uid):
            known = await _whole(self._store.get, ref)
            try:
                claim = await (self._claim(ref) if known is None else self._confirmed(ref))
                record = await _whole(self._store.settle, ref, claim)
            except FAILED_READ:
                if known is None:  # kubelet unprepares also what was never prepared
                    with contextlib.suppress(*FAILED_READ):
                        await _whole(self._store.owe, ref)
                    self._note()
                raise
            self._note()
        if known is None and claim is not None and self._on_prepared is not None:
            self._on_prepared(ref, claim)
        return record

    async def _claim(self, ref: ClaimRef) -> Mapping[str, Any]:
        try:
            return await self._get_claim(ref.namespace, ref.name)
        except RdmaDpError as error:
            raise UnreadClaimError(f"claim {ref}: {error.message}", error.hint) from error

    async def _confirmed(self, ref: ClaimRef) -> Mapping[str, Any] | None:
        """The object of a claim that is prepared. None if the API server does not have it."""
        try:
            async with asyncio.timeout(self._confirmation):
                claim = await self._claim(ref)
        except (RdmaDpError, TimeoutError) as error:
            reason = str(error) or "no answer in time"
            logger.info("claim %s: what is prepared goes on: %s", ref, reason)
            return None
        metadata = claim.get("metadata")
        same = isinstance(metadata, Mapping) and metadata.get("uid") == ref.uid
        return claim if same else None

    def _note(self) -> None:
        claims, count = self._store.claims, self._store.count
        self._metrics.claims.set(self._driver, count)
        if claims != self.claims.value:
            self.claims.set(claims)
        if count != self.count.value:
            self.count.set(count)

    @asynccontextmanager
    async def _turn(self, uid: str) -> AsyncIterator[None]:
        """One request for a claim after the other."""
        lock, waiting = self._turns.get(uid, (asyncio.Lock(), 0))
        self._turns[uid] = lock, waiting + 1
        try:
            async with lock:
                yield
        finally:
            lock, waiting = self._turns.pop(uid)
            if waiting > 1:
                self._turns[uid] = lock, waiting - 1


async def _whole(work: Callable[..., R], *arguments: Any) -> R:
    """Does blocking work in a thread. A cancellation waits for its end.

    The next request for the claim must find what this one wrote.
    """
    return await uninterrupted(in_thread(work, *arguments))


def _check(ref: ClaimRef) -> None:
    if not is_uid(ref.uid):
        raise ClaimError(f"claim {ref}: {ref.uid[:100]!r} is no UID")


def _given(record: ClaimRecord) -> str:
    found = (f"{each.request}: {', '.join(each.hcas)}" for each in record.devices)
    return "; ".join(found) or "no device of ours"
