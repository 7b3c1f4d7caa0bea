"""Facts of HCAs in the status of claims, for configs with `claimStatus`: one write for each claim.

Nothing waits for it: a pod runs without it.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from rdma_dp.aio.backoff import Backoff
from rdma_dp.aio.latest import Observable
from rdma_dp.api_server.dra_api import DraApi
from rdma_dp.dra.claim_status import claim_status
from rdma_dp.dra.claims import prepared
from rdma_dp.dra.devices import DraDevice
from rdma_dp.errors import RdmaDpError
from rdma_dp.kubelet.dra.claim_record import ClaimRef

logger = logging.getLogger(__name__)

_TRIES = 4
_MOST_WAITING = 1000  # claims; more than the pods of a node


class ClaimStatusWriter:
    """Writes the status of claims that were prepared, one after the other."""

    def __init__(
        self,
        api: DraApi,
        devices: Observable[tuple[DraDevice, ...]],
        wanted: Callable[[], bool],
    ) -> None:
        """`wanted` returns whether the config asks for it."""
        self._api = api
        self._devices = devices
        self._wanted = wanted
        self._waiting = asyncio.Queue[tuple[ClaimRef, dict[str, Any]]](_MOST_WAITING)

    def note(self, ref: ClaimRef, claim: Mapping[str, Any]) -> None:
        """A claim was prepared for the first time."""
        if not self._wanted() or self._waiting.full():
            return
        moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        devices = self._devices.value
        try:
            given = prepared(claim, devices, self._api.driver, self._api.node, ref.uid)
        except RdmaDpError:
            return  # the devices have changed since
        status = claim_status(given, devices, self._api.driver, moment)
        self._waiting.put_nowait((ref, status))

    async def run(self) -> None:
        """Runs until it is cancelled."""
        while True:
            ref, status = await self._waiting.get()
            await self._write(ref, status)

    async def _write(self, ref: ClaimRef, status: dict[str, Any]) -> None:
        backoff = Backoff()
        for left in reversed(range(_TRIES)):
            try:
                await self._api.apply_claim_status(ref.namespace, ref.name, ref.uid, status)
            except RdmaDpError as error:
                if not left:
                    logger.warning("claim %s: its status is not written: %s", ref, error)
            else:
                return
            await asyncio.sleep(backoff.delay())
