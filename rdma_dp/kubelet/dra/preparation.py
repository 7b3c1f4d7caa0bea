"""Prepares and unprepares claims.

    prepare:   claim file? -> GET the claim -> [lock] conflicts, claim file, CDI spec [unlock]
    unprepare: [lock] CDI spec, claim file [unlock]

After a crash between any two steps, kubelet repeats its request, and the same steps lead to the
same end. A prepared claim needs no API server.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from rdma_dp.aio.latest import Latest
from rdma_dp.aio.threads import in_thread
from rdma_dp.errors import FAILED_READ, RdmaDpError
from rdma_dp.inventory.hardware import Inventory
from rdma_dp.kubelet.dra.claim_files import ClaimFiles
from rdma_dp.kubelet.dra.claim_lock import ClaimLock
from rdma_dp.kubelet.dra.claim_record import (
    ClaimError,
    ClaimFileError,
    ClaimRecord,
    ClaimRef,
    NewerFileError,
    Prepared,
    is_uid,
)
from rdma_dp.kubelet.dra.claim_renewal import Resolve, renewed
from rdma_dp.log import Notice
from rdma_dp.metrics import Metrics
from rdma_dp.specs.claim_directory import ClaimSpecs

logger = logging.getLogger(__name__)

R = TypeVar("R")

GetClaim = Callable[[str, str], Awaitable[Mapping[str, Any]]]
"""Reads a ResourceClaim by namespace and name. Raises RdmaDpError."""

# Seconds in which the API server may confirm a claim that has a file. Without an answer, the file
# counts.
_CONFIRMATION = 2.0


class Preparation:
    """The claims of one driver on this node.

    `claims` are those that are prepared, by UID, also by the other instance of an update. `count`
    is their number.
    """

    def __init__(
        self,
        driver: str,
        files: ClaimFiles,
        specs: ClaimSpecs,
        get_claim: GetClaim,
        resolve: Resolve,
        inventory: Callable[[], Inventory],
        metrics: Metrics | None = None,
    ) -> None:
        self._driver = driver
        self._files = files
        self._lock = ClaimLock(files.directory.parent / "lock")
        self._specs = specs
        self._get_claim = get_claim
        self._resolve = resolve
        self._inventory = inventory
        self._metrics = metrics or Metrics()
        self._turns: dict[str, tuple[asyncio.Lock, int]] = {}
        self._unwritten = Notice(logger.warning)
        self.claims: Latest[Mapping[str, ClaimRecord]] = Latest({})

    # --- what kubelet calls -------------------------------------------------------------------

    async def prepare(self, ref: ClaimRef) -> ClaimRecord:
        """What the claim's containers get: for a prepared claim, the same as before.

        Raises RdmaDpError. The pod's owner reads the text in an event.
        """
        begun, result = time.perf_counter(), "error"
        try:
            _check(ref)
            async with self._turn(ref.uid):
                known = await self._locked(self._known, ref)
                claim = await self._asked(ref, known)
                record = await self._locked(self._settle, ref, claim)
            result = "ok"
        except ClaimError:
            result = "refused"
            raise
        except RdmaDpError:
            result = "unread"
            raise
        finally:
            self._metrics.claim_prepares.add(self._driver, result)
            self._metrics.claim_prepare_seconds.add(
                self._driver, seconds=time.perf_counter() - begun
            )
        return record

    async def unprepare(self, ref: ClaimRef) -> None:
        """Releases the claim. An unknown one is no error. Raises RdmaDpError."""
        result = "error"
        try:
            _check(ref)
            async with self._turn(ref.uid):
                await self._locked(self._release, ref)
            result = "ok"
        finally:
            self._metrics.claim_unprepares.add(self._driver, result)

    async def refresh(self) -> None:
        """Reads the claims, and makes their specs those of the hardware of now."""
        try:
            await self._locked(self._renew_all)
        except FAILED_READ as error:
            self._unwritten.set(f"the claims of {self._driver} cannot be read: {error}")

    # --- steps --------------------------------------------------------------------------------

    async def _asked(self, ref: ClaimRef, known: ClaimRecord | None) -> Mapping[str, Any] | None:
        """The claim object. None if the API server has none to say about a claim with a file."""
        try:
            async with asyncio.timeout(None if known is None else _CONFIRMATION):
                claim = await self._get_claim(ref.namespace, ref.name)
            _check_object(claim, ref)
        except (RdmaDpError, TimeoutError) as error:
            if known is None:
                raise
            logger.info("the claim %s is prepared as before: %s", ref, error)
            return None
        return claim

    def _known(self, ref: ClaimRef) -> ClaimRecord | None:
        try:
            return self._files.get(ref.uid)
        except NewerFileError:
            raise
        except ClaimFileError:
            return None  # prepared anew, and what is left of the file is kept

    def _settle(self, ref: ClaimRef, claim: Mapping[str, Any] | None) -> ClaimRecord:
        """Writes the claim's file and its spec, as far as they are not there."""
        before = self._known(ref)
        record = self._renewed(before, claim)
        if record is None:
            if claim is None:
                raise ClaimError(f"the claim {ref} was unprepared at the same time")
            record = self._new(ref, claim)
            self._check_conflicts(record)
        if record != before:
            self._files.put(record)
        self._write_spec(record)
        self._note()
        return record

    def _renewed(
        self, record: ClaimRecord | None, claim: Mapping[str, Any] | None
    ) -> ClaimRecord | None:
        """What is known, if the claim still has this allocation; None otherwise."""
        if record is None or (claim is not None and _allocation(claim) != record.allocation):
            return None
        return renewed(record, self._resolve, self._inventory())

    def _new(self, ref: ClaimRef, claim: Mapping[str, Any]) -> ClaimRecord:
        return ClaimRecord(ref, self._driver, self._resolve(claim), _allocation(claim))

    def _check_conflicts(self, record: ClaimRecord) -> None:
        for other in self._files.all().values():
            if other.ref.uid == record.ref.uid:
                continue
            for mine in record.devices:
                if any(mine.excludes(each) for each in other.devices):
                    raise ClaimError(
                        f"the device {mine.device} is held by the claim {other.ref} (UID"
                        f" {other.ref.uid})",
                        "it becomes free when the last pod of that claim has ended",
                    )

    def _write_spec(self, record: ClaimRecord) -> None:
        self._specs.write(record.ref.uid, [each.cdi for each in record.devices])

    def _release(self, ref: ClaimRef) -> None:
        # In this order: a spec without a file would stay for ever.
        self._specs.remove(ref.uid)
        self._files.remove(ref.uid)
        self._note()

    def _renew_all(self) -> None:
        failures = [self._renew(record) for record in self._files.all().values()]
        self._unwritten.set(next((text for text in failures if text), None))
        self._note()

    def _renew(self, record: ClaimRecord) -> str | None:
        """Updates one claim's file and spec. Returns what failed."""
        try:
            now = renewed(record, self._resolve, self._inventory())
            if now != record:
                self._files.put(now)
            self._write_spec(now)
        except ClaimError as error:
            # The nodes may belong to another HCA. Without a spec, a container that restarts fails,
            # and starts when the HCA is back.
            return _first(str(error), _removal(self._specs, record.ref.uid))
        except RdmaDpError as error:
            return str(error)
        return None

    def _note(self) -> None:
        self._found = self._files.all()

    # --- order --------------------------------------------------------------------------------

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

    async def _locked(self, work: Callable[..., R], *arguments: Any) -> R:
        """Does the work in a thread, with the lock. A cancellation waits for its end."""

        def held() -> R:
            with self._lock.held():
                return work(*arguments)

        future = in_thread(held)
        try:
            return await asyncio.shield(future)
        finally:
            if not future.done():
                await asyncio.wait([future])
            if self._found != self.claims.value:
                self.claims.set(self._found)


def _check(ref: ClaimRef) -> None:
    if not is_uid(ref.uid):
        raise ClaimError(f"the claim {ref} has a UID that is none: {ref.uid[:100]!r}")


def _check_object(claim: Mapping[str, Any], ref: ClaimRef) -> None:
    metadata = claim.get("metadata")
    uid = metadata.get("uid") if isinstance(metadata, Mapping) else None
    if uid != ref.uid:
        raise ClaimError(
            f"the claim {ref} was made anew: its UID is {uid}, and kubelet asks for {ref.uid}",
            "delete the pod",
        )


def _allocation(claim: Mapping[str, Any]) -> Mapping[str, Any]:
    """The allocation of a claim object. `resolve` has checked it, or will."""
    status = claim.get("status")
    found = status.get("allocation") if isinstance(status, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _first(reason: str, more: str | None) -> str:
    return f"{reason}; {more}" if more else reason


def _removal(specs: ClaimSpecs, uid: str) -> str | None:
    try:
        specs.remove(uid)
    except RdmaDpError as error:
        return str(error)
    return None
