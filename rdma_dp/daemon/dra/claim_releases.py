"""Releases claims that kubelet has forgotten: no unprepare will ever come for them.

Without it, the claim file and the CDI spec would stay, and with them a driver that nothing needs.
A round asks kubelet which claims its pods have, and the API server for the others alone: at rest
that is none. With no answer of kubelet or of the API server, nothing is released.
"""

import asyncio
import logging
import random
from collections.abc import Mapping
from pathlib import Path

from rdma_dp.api_server.api_errors import NoObjectError
from rdma_dp.api_server.dra_api import DraApi
from rdma_dp.dra.forgotten_claims import CHANCE, ForgottenClaims, unused_because
from rdma_dp.errors import FAILED_READ, RdmaDpError, reason_of
from rdma_dp.kubelet.clients.pod_resources import pod_resources
from rdma_dp.kubelet.dra.claim_files import KeptClaim
from rdma_dp.kubelet.dra.driver import Driver
from rdma_dp.log import Notice
from rdma_dp.metrics import Metrics

logger = logging.getLogger(__name__)

# Seconds between two rounds, with jitter: the nodes of a cluster must not ask at the same time.
# A claim is released in the second round after kubelet has registered the driver.
ROUND_INTERVAL = 2 * CHANCE

_ROUNDS_OF_REST = 6  # until the API server is asked again for a claim that is in use: an hour


class ClaimReleases:
    """Does a round for one driver again and again, for as long as there are claims."""

    def __init__(
        self,
        driver: Driver,
        api: DraApi,
        socket: Path,
        metrics: Metrics,
        interval: float = ROUND_INTERVAL,
    ) -> None:
        """`socket` is kubelet's in pod-resources. `interval`: seconds between two rounds."""
        self._registration = driver.registration
        self._preparation = driver.preparation
        self._api = api
        self._socket = socket
        self._metrics = metrics
        self._interval = interval
        self._forgotten = ForgottenClaims(interval / 2, interval * _ROUNDS_OF_REST)
        self._stuck = Notice(
            lambda text: logger.warning(
                "%s: claims that kubelet has forgotten cannot be released: %s", api.driver, text
            )
        )
        self._failed = Notice(
            lambda text: logger.warning("claims that kubelet has forgotten stay: %s", text)
        )

    async def run(self) -> None:
        """Runs until it is cancelled."""
        while True:
            await self._preparation.count.until(bool)
            await asyncio.sleep(self._interval * random.uniform(0.75, 1.25))  # noqa: S311
            try:
                await self._round()
            except FAILED_READ as error:
                self._failed.set(reason_of(error))
            else:
                self._failed.set(None)

    async def _round(self) -> None:
        """Raises RdmaDpError and OSError when the claims cannot be read."""
        now = asyncio.get_running_loop().time()
        # `introduced` grows with each start of kubelet.
        registered = self._registration.registered.value
        self._forgotten.begin(registered and self._registration.introduced.value)
        if not registered or not self._api.node:
            return
        kept = await self._preparation.kept()
        book = await pod_resources(self._socket)
        held = set[str]()
        if not isinstance(book, str):
            held = {f"{each.namespace}/{each.claim}" for each in book.claims or ()}
        listed = {uid for uid, each in kept.items() if str(each.ref) in held}
        reasons = await self._asked(kept, listed, now)
        stuck = [
            text
            for uid, reason in reasons.items()
            if self._forgotten.forgotten(uid, now)
            and (text := await self._release(uid, kept[uid], reason, book))
        ]
        self._note(stuck)

    def _note(self, stuck: list[str]) -> None:
        self._preparation.stuck = tuple(stuck)
        self._metrics.claims_stuck.set(self._api.driver, len(stuck))
        self._stuck.set("; ".join(stuck) or None)

    async def _asked(
        self, kept: Mapping[str, KeptClaim], listed: set[str], now: float
    ) -> Mapping[str, str]:
        """Why claims are not in use, by UID, of all claims for which the API server was asked."""
        found: dict[str, str] = {}
        away = False
        for uid in self._forgotten.to_ask(kept, listed, now):
            try:
                reason = None if away else await self._unused(uid, kept[uid])
            except RdmaDpError as error:
                logger.debug("claim %s: is it forgotten? %s", kept[uid].ref, error)
                away = True
            if away:
                self._forgotten.unanswered(uid)
                continue
            self._forgotten.answered(uid, unused=reason is not None, now=now)
            if reason is not None:
                found[uid] = reason
        return found

    async def _unused(self, uid: str, kept: KeptClaim) -> str | None:
        """Why no pod of this node can have the claim. Raises RdmaDpError without an answer."""
        if kept.ref is None:
            return "its file cannot be read"
        record = (self._preparation.claims.value or {}).get(uid)
        pools = {self._api.node, *(each.pool for each in (record.devices if record else ()))}
        try:
            claim = await self._api.claim(kept.ref.namespace, kept.ref.name, patience=0.0)
        except NoObjectError:
            claim = None
        return unused_because(claim, uid, self._api.driver, pools)

    async def _release(self, uid: str, kept: KeptClaim, reason: str, book: object) -> str | None:
        """Releases a claim. Returns why it cannot be released."""
        name = str(kept.ref or uid)
        if kept.ref is None:
            return f"{name}: {reason}: delete the file when no pod has the claim"
        if isinstance(book, str):
            return f"{name}: {reason}, but kubelet does not list its pods: {book}"
        try:
            released = await self._preparation.release(uid, kept)
        except FAILED_READ as error:
            return f"{name}: {error}"
        if released:
            self._metrics.claims_released.add(self._api.driver)
            logger.info("claim %s: released: kubelet has forgotten it, and %s", name, reason)
        return None
