"""A model of the claims of a node: random pods, hardware, crashes and lost answers.

A crash ends an instance between any two changes of a file. At rest, the files hold what pods have:
no claim is lost, none is held for ever, and none gives the nodes of another HCA.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rdma_dp.errors import RdmaDpError
from rdma_dp.inventory.hardware import CharDevice, DeviceNumber, Hca
from rdma_dp.kubelet.dra.claim_store import ClaimStore
from tests.unit.kubelet.dra.claims import Node, claim, offered, ref, result
from tests.unit.kubelet.nodes import hca

HCAS = (1, 2, 3)
PODS = st.integers(1, 8)


class Crash(BaseException):
    """SIGKILL."""


@contextmanager
def crashing(after: int | None) -> Iterator[None]:
    """Ends the process before its change number `after`, counted from 0. None: never."""
    changes = 0

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def change(*arguments: Any, **more: Any) -> Any:
            nonlocal changes
            if changes == after:
                raise Crash
            changes += 1
            return real(*arguments, **more)

        return change

    with pytest.MonkeyPatch.context() as patch:
        for name in ("rename", "unlink", "mkdir"):
            patch.setattr(os, name, counted(getattr(os, name)))
        yield


class Claims(RuleBasedStateMachine):
    """kubelet repeats what failed: `wanted` are the pods that run, with their devices."""

    def __init__(self) -> None:
        super().__init__()
        self._directory = tempfile.TemporaryDirectory()
        self.node = Node(Path(self._directory.name), offered(*map(hca, HCAS)))
        self.there = {number: hca(number) for number in HCAS}
        self.stores: list[ClaimStore] = []
        self.running: dict[int, tuple[int, ...]] = {}  # prepared, and the pod has got the answer
        self.cdi_names: dict[int, list[str]] = {}
        self.exclusive = False

    def teardown(self) -> None:
        self._directory.cleanup()

    @initialize(exclusive=st.booleans())
    def begin(self, exclusive: bool) -> None:
        self.exclusive = exclusive
        self._offer()
        self.stores = [self.node.store(), self.node.store()]

    # --- pods ---------------------------------------------------------------------------------

    @rule(
        pod=PODS,
        numbers=st.lists(st.sampled_from(HCAS), min_size=1, max_size=2, unique=True),
        instance=st.integers(0, 1),
        crash=st.none() | st.integers(0, 5),
        answered=st.booleans(),
    )
    def prepare(
        self, pod: int, numbers: list[int], instance: int, crash: int | None, answered: bool
    ) -> None:
        devices = self.running.get(pod) or tuple(numbers)
        taken = self._prepared(pod, devices, instance, crash)
        if taken is None:
            if pod not in self.running:
                self._give_up(pod)
            return
        assert not self._conflict(pod, devices), "two pods have one device alone"
        names = [each.cdi.full_name for each in taken.devices]
        assert self.cdi_names.get(pod, names) == names, "another answer for the same claim"
        if answered or pod in self.running:
            self.running[pod], self.cdi_names[pod] = devices, names
        else:
            self._give_up(pod)

    def _prepared(
        self, pod: int, devices: tuple[int, ...], instance: int, crash: int | None
    ) -> Any:
        """The record, or None when the instance crashed or refused."""
        names = [f"{self._name(number)}" for number in devices]
        found = claim(ref(pod), *(self._result(pod, name) for name in names))
        store = self.stores[instance]
        try:
            with crashing(crash):
                known = store.get(ref(pod))
                return store.settle(ref(pod), None if known and crash else found)
        except Crash:
            self.stores[instance] = self.node.store()
        except RdmaDpError:
            lost = any(number not in self.there for number in devices)
            assert lost or self._conflict(pod, devices), "refused without a reason"
        return None

    def _conflict(self, pod: int, devices: tuple[int, ...]) -> bool:
        others = (held for other, held in self.running.items() if other != pod)
        return self.exclusive and any({*devices} & {*held} for held in others)

    def _give_up(self, pod: int) -> None:
        """The pod is deleted before it ran: kubelet unprepares what it may have prepared."""
        self.stores[0].release(ref(pod))

    @rule(pod=PODS, instance=st.integers(0, 1), crash=st.none() | st.integers(0, 3))
    def unprepare(self, pod: int, instance: int, crash: int | None) -> None:
        try:
            with crashing(crash):
                self.stores[instance].release(ref(pod))
        except Crash:
            self.stores[instance] = self.node.store()
            self.stores[instance].release(ref(pod))  # kubelet repeats it until it succeeds
        self.running.pop(pod, None)
        self.cdi_names.pop(pod, None)

    @rule(pod=PODS, instance=st.integers(0, 1), crash=st.none() | st.integers(0, 3))
    def release_forgotten(self, pod: int, instance: int, crash: int | None) -> None:
        """kubelet has forgotten the claim, unless it prepares it again before it is released."""
        store = self.stores[instance]
        kept = store.kept().get(ref(pod).uid)
        if kept is None:
            return
        assert kept.ref == ref(pod)
        again = self._prepared(pod, self.running[pod], 1 - instance, None)
        assert store.release_unchanged(ref(pod).uid, kept) == (again is None)
        kept = store.kept()[ref(pod).uid] if again else kept
        try:
            with crashing(crash):
                store.release_unchanged(ref(pod).uid, kept)
        except Crash:
            self.unprepare(pod, instance, None)
        self.running.pop(pod, None)
        self.cdi_names.pop(pod, None)

    # --- the node -----------------------------------------------------------------------------

    @rule(number=st.sampled_from(HCAS))
    def unplug_or_plug(self, number: int) -> None:
        if number in self.there:
            del self.there[number]
        else:
            self.there[number] = hca(number)
        self._offer()

    @rule(shift=st.integers(0, 2))
    def renumber(self, shift: int) -> None:
        """A boot: the CDI directory is empty, and nodes have other numbers."""
        for path in self.node.cdi.glob("*"):
            path.unlink()
        for number in self.there:
            node = 1 + (number + shift) % len(HCAS)
            uverbs = CharDevice(f"uverbs{node}", DeviceNumber(231, 192 + node))
            umads = (CharDevice(f"umad{node}", DeviceNumber(231, node)),)
            self.there[number] = replace(hca(number), uverbs=uverbs, umads=umads)
        self._offer()

    @rule(instance=st.integers(0, 1))
    def restart(self, instance: int) -> None:
        self.stores[instance] = self.node.store()

    @rule(instance=st.integers(0, 1))
    @precondition(lambda self: self.running)
    def damage(self, instance: int) -> None:
        """A power failure that the file system did not survive."""
        pod = min(self.running)
        self.node.file(ref(pod)).write_text("{")
        devices = self.running[pod]
        if all(number in self.there for number in devices):
            assert self._prepared(pod, devices, instance, None) is not None
        else:
            self.unprepare(pod, instance, None)

    # --- at rest ------------------------------------------------------------------------------

    @invariant()
    def files_hold_what_pods_have(self) -> None:
        if not self.stores:
            return
        self.stores[0].renew()
        assert {*self.stores[0].claims} == {ref(pod).uid for pod in self.running}
        specs = {path.name for path in self.node.cdi.glob("*.json")}
        whole = {
            pod for pod, devices in self.running.items() if all(n in self.there for n in devices)
        }
        assert specs == {self.node.spec(ref(pod)).name for pod in whole}
        for pod in whole:
            self._check_nodes(pod)

    def _check_nodes(self, pod: int) -> None:
        edits = self.node.edits(ref(pod))
        assert list(edits) == self.cdi_names[pod]
        for number, (paths, env) in zip(self.running[pod], edits.values(), strict=True):
            assert {*paths} == _paths(self.there[number])
            listed = sorted(f"mlx5_{each}" for each in self.running[pod])
            assert env["RDMA_DP_HCA_HCAS"] == ",".join(listed)

    def _offer(self) -> None:
        hcas = (self.there[number] for number in sorted(self.there))
        self.node.hardware = offered(*hcas, each=self.exclusive)

    def _name(self, number: int) -> str:
        return f"hca-0000-{number:02x}-00-0" + ("-0" if self.exclusive else "")

    def _result(self, pod: int, name: str) -> dict[str, Any]:
        return result(name, f"r{name[-8:]}", **({} if self.exclusive else {"shareID": f"s{pod}"}))


def _paths(of: Hca) -> set[str]:
    return {device.path for device in of.char_devices} | {"/dev/infiniband/rdma_cm"}


TestClaims = Claims.TestCase
TestClaims.settings = settings(
    max_examples=60,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
