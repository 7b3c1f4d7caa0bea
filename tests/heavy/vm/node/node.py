"""The VM as a node: its kubelet, our plugin's pod, and the pods of a test."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.heavy.node import plugin as config
from tests.heavy.node.kubelet import Kubelet
from tests.heavy.node.pods import Pod
from tests.heavy.node.process import wait_until
from tests.heavy.vm.inside.fabric import EXTRA_A, FABRIC_A, FABRIC_B, STORAGE
from tests.heavy.vm.node import parts, plugin

SHARED, PER_HCA = "rdma/shared", "rdma/per_hca"
SHARED_SLOTS, SLOTS_OF_AN_HCA = 4, 3
SHARED_HCAS = (STORAGE, FABRIC_A)
# The slots before a test adds EXTRA_A: those of one HCA.
COUNTS = {SHARED: SHARED_SLOTS, PER_HCA: SLOTS_OF_AN_HCA}


class Node:
    """kubelet runs from the start. `run_plugin` starts a plugin."""

    def __init__(self) -> None:
        config.configure(
            {
                "resourceName": "shared",
                "rdmaHcaMax": SHARED_SLOTS,
                "selectors": {"ifNames": [hca.netdev for hca in SHARED_HCAS]},
            },
            {
                "resourceName": "per_hca",
                "slotsPer": "hca",
                "rdmaHcaMax": SLOTS_OF_AN_HCA,
                "selectors": {"rdmaDevices": [FABRIC_B.name, EXTRA_A.name]},
                "env": {"NCCL_IB_HCA": "hcas"},
            },
            metrics={"pods": "queuePairs", "minInterval": 1},  # for a plugin that serves metrics
        )
        self.figures: list[tuple[str, object]] = []
        self.kubelet = Kubelet()
        self.kubelet.start()
        self.kubelet.count(SHARED)  # kubelet has made the directory that the plugin's pod mounts
        self._source: str | None = None
        self._plugin: Pod | None = None
        self._pods: list[Pod] = []

    def run_plugin(self, source: str = parts.BASE) -> None:
        """Return when the pod of that directory of deploy/ runs and kubelet has its slots."""
        if self._source == source:
            return
        if self._plugin:
            self._source = None
            self._plugin.gone()
            for resource in COUNTS:
                self.counts(0, resource, f"the plugin's pod deleted, {resource}")
        self._plugin = plugin.start(self.kubelet, source)
        self.counts_all(f"the pod of deploy/{source} starts")
        self._source = source

    @property
    def plugin(self) -> Pod:
        assert self._plugin
        return self._plugin

    @contextmanager
    def plugin_says(self, text: str) -> Iterator[None]:
        """Wait at the end until a new line of the plugin's log has the text."""
        before = len(self.plugin.said())
        yield
        wait_until(lambda: [line for line in self.plugin.said()[before:] if text in line])

    # --- kubelet

    def counts(self, slots: int, resource: str, after: str) -> None:
        """Wait until kubelet counts this many healthy slots, and note how long it took."""
        begun = time.monotonic()
        wait_until(lambda: self.kubelet.count(resource), lambda found: found == slots)
        self.figures.append((f"{after}: {slots}", time.monotonic() - begun))

    def counts_all(self, after: str) -> None:
        for resource, slots in COUNTS.items():
            self.counts(slots, resource, f"{after}, {resource}")

    def pod(self, name: str, resource: str = "", slots: int = 1, **more: Any) -> Pod:
        """A pod with the programs that use HCAs."""
        limits = {resource: slots} if resource else {}
        pod = Pod.start(self.kubelet, name, limits, from_image=parts.VERBS_IMAGE, **more)
        self._pods.append(pod)
        return pod

    def admits(self, name: str, resource: str) -> None:
        """Wait until such a pod runs. One that is refused is replaced, as a ReplicaSet does.

        On a machine this slow, GetInfo can exceed kubelet's limit (1 s), and kubelet loses the
        plugin for a while.
        """

        def attempt() -> bool:
            return bool(self.pod(name, resource).settled()["phase"] == "Running")

        wait_until(attempt)

    # --- between tests

    def unhurt(self) -> None:
        """Fail if there was a fault that the test did not check for."""
        assert self.kubelet.process, "kubelet was stopped and not started"
        assert self.kubelet.process.runs, "kubelet has ended by itself"
        assert not [line for line in self.plugin.said() if "Traceback" in line]

    def tidy(self) -> None:
        """Remove the pods of the test."""
        while self._pods:
            self._pods.pop().gone()
