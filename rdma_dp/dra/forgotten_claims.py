"""Which prepared claims kubelet has forgotten: it will never unprepare them. Pure.

That is so after kubelet has lost its checkpoint. A claim is forgotten when the API server says, in
two rounds, that no pod of this node can have it, and when kubelet was registered all the time
between them and does not list it. Until then kubelet had its chance: it unprepares the claims of
pods that are gone once a minute (pkg/kubelet/cm/dra/manager.go, reconcileLoop).
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from rdma_dp.dra.claim_shape import allocation_of, misshapen

# Seconds for kubelet to unprepare a claim that is not in use: some turns of its loop, and calls
# that fail.
CHANCE = 300.0


def unused_because(
    claim: Mapping[str, Any] | None, uid: str, driver: str, pools: Collection[str]
) -> str | None:
    """Why no pod of this node can have the claim with this UID; None if one may have it.

    `claim` is the object of that name on the API server, None if there is none. `pools` are the
    names that the node's pool has now and had when the claim was prepared.
    """
    if claim is None:
        return "it is deleted"
    if misshapen(claim):
        return None
    found = (claim.get("metadata") or {}).get("uid")
    if found is not None and found != uid:
        return "another claim has its name"
    results = (allocation_of(claim).get("devices") or {}).get("results") or ()
    if not any(each.get("driver") == driver and each.get("pool") in pools for each in results):
        return "no device of this node is allocated to it"
    if not (claim.get("status") or {}).get("reservedFor"):
        return "no pod has reserved it"
    return None


class ForgottenClaims:
    """What several rounds have shown. Times are in seconds on one clock."""

    def __init__(self, chance: float, pause: float) -> None:
        """`chance`: seconds for kubelet to unprepare a claim.

        `pause`: seconds until the API server is asked again for a claim that is in use.
        """
        self._chance = chance
        self._pause = pause
        self._kubelet: object = None
        self._unused: dict[str, float] = {}  # since when
        self._in_use: dict[str, float] = {}  # when the API server said so

    def begin(self, kubelet: object) -> None:
        """A round begins. `kubelet` is another value after each start of kubelet."""
        if kubelet != self._kubelet:
            self._kubelet = kubelet
            self._unused.clear()
            self._in_use.clear()

    def to_ask(self, claims: Iterable[str], listed: Collection[str], now: float) -> tuple[str, ...]:
        """The UIDs of claims that the API server is to be asked for. kubelet has `listed`."""
        unlisted = [uid for uid in claims if uid not in listed]
        self._unused = {uid: at for uid, at in self._unused.items() if uid in unlisted}
        self._in_use = {uid: at for uid, at in self._in_use.items() if uid in unlisted}
        recent = {uid for uid, at in self._in_use.items() if now - at < self._pause}
        return tuple(uid for uid in unlisted if uid not in recent)

    def answered(self, uid: str, *, unused: bool, now: float) -> None:
        """What the API server said about a claim."""
        if unused:
            self._unused.setdefault(uid, now)
            self._in_use.pop(uid, None)
        else:
            self._in_use[uid] = now
            self._unused.pop(uid, None)

    def unanswered(self, uid: str) -> None:
        """The API server was asked for a claim, and has not answered."""
        self._unused.pop(uid, None)

    def forgotten(self, uid: str, now: float) -> bool:
        """Whether the claim has not been in use for so long that kubelet has forgotten it."""
        return uid in self._unused and now - self._unused[uid] >= self._chance
