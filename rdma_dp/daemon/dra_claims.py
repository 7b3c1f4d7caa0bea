"""The part of DRA that kubelet calls: claims are prepared and given back."""

from collections.abc import Mapping
from typing import Any, Protocol

from rdma_dp.aio.latest import Latest, Observable
from rdma_dp.daemon.dra_parts import DraParts
from rdma_dp.dra.devices import DraDevice


class ClaimApi(Protocol):
    """What claims need of the API server. Its errors are RdmaDpError."""

    async def claim(self, namespace: str, name: str) -> Mapping[str, Any]:
        """A ResourceClaim."""

    async def apply_claim_status(
        self, namespace: str, name: str, uid: str, status: Mapping[str, Any]
    ) -> None:
        """Writes our part of the status of a claim."""


class Claims:
    """Serves kubelet's DRA services of one driver. `prepared` is the number of claims on the node,
    from the start on.

    It also serves while no resource is via DRA, until `prepared` is 0: kubelet gives claims back.
    """

    def __init__(
        self,
        parts: DraParts,
        driver: str,
        devices: Observable[tuple[DraDevice, ...]],
        api: ClaimApi,
    ) -> None:
        self._parts = parts
        self._driver = driver
        self._devices = devices
        self._api = api
        self.prepared = Latest(0)

    async def run(self) -> None:
        """Runs until it is cancelled."""
        await self.prepared.until(lambda count: count < 0)
