"""When a claim counts as forgotten by kubelet."""

from collections.abc import Mapping
from typing import Any

import pytest

from rdma_dp.dra.forgotten_claims import ForgottenClaims, unused_because

DRIVER, NODE, UID = "hca.example.org", "node-1", "u1"
OURS = {"request": "hca", "driver": DRIVER, "pool": NODE, "device": "d"}
POD = {"resource": "pods", "name": "p", "uid": "p1"}


def claim(*results: Any, reserved: object = (POD,), uid: str = UID) -> dict[str, Any]:
    allocation = {"devices": {"results": [*results]}}
    status = {"allocation": allocation, "reservedFor": reserved and [*reserved]}  # type: ignore[misc]
    return {"metadata": {"namespace": "ns", "name": "c", "uid": uid}, "status": status}


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (None, "it is deleted"),
        (claim(OURS, uid="u2"), "another claim has its name"),
        (claim(), "no device of this node is allocated to it"),
        (claim({**OURS, "pool": "node-2"}), "no device of this node is allocated to it"),
        (claim({**OURS, "driver": "gpu"}), "no device of this node is allocated to it"),
        ({"metadata": {"uid": UID}}, "no device of this node is allocated to it"),
        (claim(OURS, reserved=()), "no pod has reserved it"),
        (claim(OURS, reserved=None), "no pod has reserved it"),
    ],
)
def test_what_no_pod_of_the_node_can_have(found: Any, reason: str) -> None:
    assert unused_because(found, UID, DRIVER, {NODE}) == reason


@pytest.mark.parametrize(
    "found",
    [
        claim(OURS),
        claim({**OURS, "driver": "gpu"}, {**OURS, "adminAccess": True}),
        claim({**OURS, "pool": "node-of-before"}),
        {**claim(OURS), "metadata": {"uid": UID, "deletionTimestamp": "2026-01-01T00:00:00Z"}},
        {"metadata": {"uid": UID}, "status": {"allocation": []}},
        {"metadata": 5},
    ],
)
def test_what_a_pod_may_have(found: Mapping[str, Any]) -> None:
    """An object that cannot be read says nothing."""
    assert unused_because(found, UID, DRIVER, {NODE, "node-of-before"}) is None


class Rounds:
    """Rounds every 10 seconds, with a chance of 15 and a pause of 30."""

    def __init__(self) -> None:
        self.now = 0.0
        self.found = ForgottenClaims(chance=15.0, pause=30.0)

    def round(
        self, unused: bool | None, *, kubelet: object = 1, listed: tuple[str, ...] = ()
    ) -> tuple[bool, bool]:
        """Whether the API server was asked, and whether the claim is forgotten."""
        self.now += 10
        self.found.begin(kubelet)
        asked = self.found.to_ask([UID], listed, self.now)
        for uid in asked:
            if unused is None:
                self.found.unanswered(uid)
            else:
                self.found.answered(uid, unused=unused, now=self.now)
        return bool(asked), self.found.forgotten(UID, self.now)


def test_kubelet_has_a_chance_first() -> None:
    rounds = Rounds()
    assert [rounds.round(True) for _ in range(3)] == [(True, False), (True, False), (True, True)]


@pytest.mark.parametrize(
    "between",
    [
        {"unused": False},
        {"unused": None},
        {"unused": True, "kubelet": 2},
        {"unused": True, "listed": (UID,)},
    ],
    ids=["in use", "no answer", "kubelet has started", "kubelet lists it"],
)
def test_the_chance_begins_anew(between: dict[str, Any]) -> None:
    rounds = Rounds()
    for _ in range(2):
        rounds.round(True)
    assert not rounds.round(**between)[1]
    kubelet = between.get("kubelet", 1)
    assert not rounds.round(True, kubelet=kubelet)[1]


def test_a_claim_that_kubelet_lists_is_not_asked_for() -> None:
    rounds = Rounds()
    assert [rounds.round(False, listed=(UID,))[0] for _ in range(5)] == [False] * 5


def test_a_claim_in_use_is_asked_for_after_a_pause() -> None:
    rounds = Rounds()
    assert [rounds.round(False)[0] for _ in range(5)] == [True, False, False, True, False]
