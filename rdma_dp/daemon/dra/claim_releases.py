"""Releases claims that kubelet has forgotten: no unprepare will ever come for them.

Without it, the claim file and the CDI spec would stay, and with them a driver that nothing needs.
A round asks kubelet which claims its pods have, and the API server for the others alone: at rest
that is none. With no answer of kubelet or of the API server, nothing is released.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

from rdma_dp.api_server.api_errors import NoObjectError
from rdma_dp.api_server.dra_api import DraApi
from rdma_dp.dra.forgotten_claims import CHANCE, ForgottenClaims, unused_because
from rdma_dp.errors import FAILED_READ, RdmaDpError, reason_of
from rdma_dp.kubelet.clients.pod_resources import pod_resources
from rdma_dp.kubelet.dra.claim_files import KeptClaim
from rdma_dp.kubelet.dra.driver import Driver
from rdma_dp.kubelet.views import HeldClaim
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
        """Runs until it is cancelled. Then no claim is stuck: the driver may never run again."""
        try:
            await self._rounds()
        finally:
            self._note([])

    async def _rounds(self) -> None:
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
        if not self._registration.registered.value or not self._api.node:
            self._forgotten.begin(None)
            return
        kept = await self._preparation.kept()
        book = await pod_resources(self._socket)
        # `introduced` grows with each start of kubelet. A kubelet that did not answer was perhaps
        # down, and a new one answers here before it registers the driver.
        self._forgotten.begin((self._registration.introduced.value, isinstance(book, str)))
        held = () if isinstance(book, str) else book.claims or ()
        reasons = await self._asked(kept, _listed(kept, held, self._api.driver), now)
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
        self, kept: Mapping[str, KeptClaim], listed: Collection[str], now: float
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


def _listed(
    kept: Mapping[str, KeptClaim], held: Collection[HeldClaim], driver: str
) -> frozenset[str]:
    """The UIDs of the claims that kubelet's list has, or may have: it has names only.

    Of two claims of one name it may have either. The API server has one of them. What it has of
    this driver, and no file names, may be the claim of any file that cannot be read.
    """
    names = Counter(str(each.ref) for each in kept.values() if each.ref is not None)
    ours = {f"{each.namespace}/{each.claim}" for each in held if each.driver == driver}
    listed = {name for each in held if names[name := f"{each.namespace}/{each.claim}"] == 1}
    unread = not ours <= names.keys()
    return frozenset(
        uid
        for uid, each in kept.items()
        if (unread if each.ref is None else str(each.ref) in listed)
    )
