"""The claims on the disk: a file and a CDI spec for each, and the order in which they are written.

The file comes before the spec, and goes after it. So a spec is never there without a file, and a
crash between two steps leaves what the next request for the claim completes. All calls block, and
hold the lock that the instances of an update share.
"""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rdma_dp.dra.claim_shape import allocation_of
from rdma_dp.dra.claims import ClaimError, Holding, PreparedClaim, check_free
from rdma_dp.dra.devices import DraDevice
from rdma_dp.errors import RdmaDpError
from rdma_dp.inventory.hardware import Inventory
from rdma_dp.kubelet.directories import CLAIMS
from rdma_dp.kubelet.dra.claim_files import ClaimFiles, KeptClaim
from rdma_dp.kubelet.dra.claim_lock import ClaimLock
from rdma_dp.kubelet.dra.claim_record import ClaimFileError, ClaimRecord, ClaimRef, NewerFileError
from rdma_dp.kubelet.dra.claim_renewal import renewed, results
from rdma_dp.kubelet.dra.resolution import held_devices
from rdma_dp.log import Notice
from rdma_dp.specs.claim_directory import ClaimSpecs

logger = logging.getLogger(__name__)

Resolve = Callable[[Mapping[str, Any], str], PreparedClaim]
"""What a claim object with a UID gives at this moment (dra.claims.prepared). Raises ClaimError."""

LOCK = "lock"


class ClaimStore:
    """The claims of one driver. `directory` is the driver's own, below kubelet's root.

    `resolve`, `devices` and `inventory` return what holds at the moment of a call. `claims` are
    those that were prepared, by UID, after the last call that wrote or `renew`. `count` is their
    number, with those whose file cannot be read.
    """

    def __init__(
        self,
        directory: Path,
        driver: str,
        specs: ClaimSpecs,
        resolve: Resolve,
        devices: Callable[[], tuple[DraDevice, ...]],
        inventory: Callable[[], Inventory],
    ) -> None:
        self._driver = driver
        self._lock = ClaimLock(directory / LOCK)
        self._files = ClaimFiles(directory / CLAIMS, driver)
        self._specs = specs
        self._resolve = resolve
        self._devices = devices
        self._inventory = inventory
        self._unwritten = Notice(logger.warning)
        self.claims: Mapping[str, ClaimRecord] = MappingProxyType({})
        self.count = 0

    def get(self, ref: ClaimRef) -> ClaimRecord | None:
        """A claim that is prepared, None if it is not. Raises StoreError.

        A damaged file does not count: the claim can be prepared anew. One of a newer rdma-dp may
        say more than is known here.
        """
        with self._lock.held():
            return self._known(ref)

    def settle(self, ref: ClaimRef, claim: Mapping[str, Any] | None) -> ClaimRecord:
        """Makes the claim's file and spec complete, and returns what the containers get.

        `claim` is the object of the API server. None: what is prepared goes on. Raises ClaimError,
        StoreError and FileError.
        """
        with self._lock.held():
            before = self._known(ref)
            record = None if before is None else self._continued(before, claim)
            if record is None:
                record = self._new(ref, claim)
            if record != before:
                self._files.put(record)
            else:
                self._files.touch(ref.uid)
            self._write_spec(record)
            self._note()
            return record

    def owe(self, ref: ClaimRef) -> None:
        """A prepare has failed: kubelet will unprepare the claim all the same."""
        with self._lock.held():
            self._files.owe(ref)
            self._note()

    def release(self, ref: ClaimRef) -> None:
        """Removes the claim's spec and file, if there are any. Raises StoreError and FileError."""
        with self._lock.held():
            self._release(ref.uid)

    def kept(self) -> Mapping[str, KeptClaim]:
        """The files of all claims by UID. Raises StoreError."""
        with self._lock.held():
            return self._files.kept()

    def release_unchanged(self, uid: str, kept: KeptClaim) -> bool:
        """As `release`, unless the claim was prepared since. Returns whether it was released."""
        with self._lock.held():
            if self._files.kept_of(uid).mark != kept.mark:
                return False
            self._release(uid)
            return True

    def renew(self) -> None:
        """Reads the claims, and makes their files and specs those of the hardware of now.

        What fails for a claim is logged once. Raises StoreError if they cannot be read.
        """
        with self._lock.held():
            failures = [self._renew(record) for record in self._files.all().values()]
            self._unwritten.set("; ".join(text for text in failures if text) or None)
            self._note()

    def _release(self, uid: str) -> None:
        self._specs.remove(uid)
        self._files.remove(uid)
        self._note()

    def _note(self) -> None:
        self.claims = self._files.cached
        self.count = self._files.count

    def _known(self, ref: ClaimRef) -> ClaimRecord | None:
        try:
            return self._files.get(ref.uid)
        except NewerFileError:
            raise
        except ClaimFileError:
            return None

    def _new(self, ref: ClaimRef, claim: Mapping[str, Any] | None) -> ClaimRecord:
        if claim is None:
            raise ClaimError(f"claim {ref}: it was unprepared at the same time")
        given = self._resolve(claim, ref.uid)
        check_free(given, self._devices(), self._holdings())
        return ClaimRecord(ref, self._driver, held_devices(given), allocation_of(claim))

    def _continued(
        self, before: ClaimRecord, claim: Mapping[str, Any] | None
    ) -> ClaimRecord | None:
        """What is prepared, on the hardware of now. None if the claim was allocated anew since."""
        if claim is None or allocation_of(claim) == before.allocation:
            return self._renewed(before)
        try:
            now = held_devices(self._resolve(claim, before.ref.uid))
        except ClaimError:
            return None  # and the reason comes from the next step
        return self._renewed(before) if results(now) == results(before.devices) else None

    def _renewed(self, record: ClaimRecord) -> ClaimRecord:
        """Raises ClaimError when an HCA of the claim is gone."""
        try:
            now = held_devices(self._resolve(_claim_object(record), record.ref.uid))
        except ClaimError:
            now = ()
        return renewed(record, now, self._inventory())

    def _renew(self, record: ClaimRecord) -> str | None:
        """Updates one claim's file and spec. Returns what failed."""
        try:
            now = self._renewed(record)
            if now != record:
                self._files.put(now)
            self._write_spec(now)
        except ClaimError as error:
            # The nodes may belong to another HCA. Without a spec, a container that restarts fails,
            # and starts when the HCA is back.
            return _joined(error, self._removed(record))
        except RdmaDpError as error:
            return str(error)
        return None

    def _removed(self, record: ClaimRecord) -> RdmaDpError | None:
        try:
            self._specs.remove(record.ref.uid)
        except RdmaDpError as error:
            return error
        return None

    def _write_spec(self, record: ClaimRecord) -> None:
        self._specs.write(record.ref.uid, [each.cdi for each in record.devices])

    def _holdings(self) -> list[Holding]:
        return [
            Holding(uid, str(record.ref), each.pool, each.device, each.admin)
            for uid, record in self._files.all().items()
            for each in record.devices
        ]


def _claim_object(record: ClaimRecord) -> Mapping[str, Any]:
    """The claim as the API server had it, as far as it matters here."""
    ref = record.ref
    metadata = {"namespace": ref.namespace, "name": ref.name, "uid": ref.uid}
    return {"metadata": metadata, "status": {"allocation": record.allocation}}


def _joined(error: ClaimError, more: RdmaDpError | None) -> str:
    return str(error) if more is None else f"{error}; {more}"
