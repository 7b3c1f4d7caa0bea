"""A node: a kubelet, our plugin and the HCAs of a sample host."""

import shutil
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator import host as simulated_host
from simulator.host import Manifest
from tests.heavy.node import plugin
from tests.heavy.node.features import CDI_FIELD, LACKS, Feature, has
from tests.heavy.node.kubelet import Kubelet
from tests.heavy.node.pods import Pod
from tests.heavy.node.private import HOST
from tests.heavy.node.process import Process, wait_until

NAME = "rdma/rdma_shared_device_a"
PER_HCA = 63  # slots, of the resource or of each HCA

# The sample host dgx-h100: its InfiniBand HCAs are the resource, its RoCE HCAs are not.
SAMPLE = "dgx-h100"
ADDRESSES = {
    0: "0000:18:00.0",
    3: "0000:40:00.0",
    4: "0000:4f:00.0",
    5: "0000:5e:00.0",
    6: "0000:9a:00.0",
    9: "0000:c0:00.0",
    10: "0000:ce:00.0",
    11: "0000:dc:00.0",
}
NUMA_NODES = {number: 0 if number < 6 else 1 for number in ADDRESSES}
NOT_CHOSEN = (1, 2, 7, 8)

# How containers get CDI names. Parts of a setting.
IN_THE_FIELD: Mapping[str, Any] = {"arguments": ("--use-cdi",)}
IN_ANNOTATIONS: Mapping[str, Any] = {"config": {"cdi": "annotations"}}


def with_cdi() -> Mapping[str, Any]:
    """The part of a setting for CDI names that this kubelet passes on."""
    return IN_THE_FIELD if has(CDI_FIELD) else IN_ANNOTATIONS


@dataclass(frozen=True)
class Setting:
    """The properties of a node that a test asks for."""

    way: str
    per: str
    host: str | Manifest = SAMPLE
    entry: Mapping[str, Any] = field(default_factory=dict)  # added to the resource's config
    config: Mapping[str, Any] = field(default_factory=dict)  # added to the rest of the config
    arguments: tuple[str, ...] = ()  # added to the plugin's arguments
    kubelet: Mapping[str, Any] = field(default_factory=dict)  # added to kubelet's config

    @property
    def slots(self) -> int:
        return PER_HCA * (len(ADDRESSES) if self.per == "hca" else 1)


class Node:
    """A node at the start of a test: kubelet and the plugin run, all slots are healthy, no pods."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.figures: list[tuple[str, object]] = []
        shutil.rmtree(HOST, ignore_errors=True)
        manifest = setting.host
        if isinstance(manifest, str):
            manifest = simulated_host.load(manifest)
        self.host = simulated_host.build(manifest, HOST, dev=True)
        self._configure()
        self.kubelet = Kubelet(**setting.kubelet)
        self.kubelet.forget()
        self.kubelet.start()
        self.plugins: list[Process] = []

    def _configure(self) -> None:
        entry = {
            "resourceName": NAME.partition("/")[2],
            "rdmaHcaMax": PER_HCA,
            "selectors": {"vendors": ["15b3"], "linkTypes": ["infiniband"]},
            "slotsPer": self.setting.per,
            **self.setting.entry,
        }
        plugin.configure(entry, **self.setting.config)

    def has(self, feature: Feature) -> bool:
        """Whether kubelet has a feature. If not, the report of the test names it."""
        there, note = has(feature), (LACKS, feature.name)
        if not there and note not in self.figures:
            self.figures.append(note)
        return there

    # --- the plugin

    def start_plugin(self, **more: Any) -> Process:
        started = plugin.start(self.setting.way, *self.setting.arguments, **more)
        self.plugins.append(started)
        return started

    @property
    def plugin(self) -> Process:
        """The plugin that started last."""
        return self.plugins[-1]

    def look_again(self) -> None:
        """The simulated host sends no uevents."""
        self.plugin.send(signal.SIGHUP)

    # --- kubelet

    def counts(self, slots: int, after: str) -> None:
        """Wait until kubelet counts this many healthy slots, and note how long it took."""
        begun = time.monotonic()
        wait_until(lambda: self._count(slots), lambda found: found == slots)
        self.figures.append((f"{after}: {slots}", time.monotonic() - begun))

    def _count(self, expected: int) -> int:
        assert expected == 0 or any(each.runs for each in self.plugins), "the plugin has ended"
        return self.kubelet.count(NAME)

    def counts_all(self, after: str) -> None:
        self.counts(self.setting.slots, after)

    def registered(self, times: int, after: str) -> None:
        """Wait until this kubelet has seen this many registrations, and note how long it took."""
        begun = time.monotonic()
        wait_until(lambda: self.kubelet.registrations, times.__le__)
        self.figures.append((after, time.monotonic() - begun))

    def pod(self, name: str, slots: int = 1, **more: Any) -> Pod:
        return Pod.start(self.kubelet, name, {NAME: slots} if slots else {}, **more)

    def admits(self, name: str, slots: int = 1) -> Pod:
        """Wait until a pod like this runs. One that is refused is replaced, as a ReplicaSet does.

        For times when kubelet may lose the plugin for a while.
        """

        def attempt() -> Pod | None:
            pod = self.pod(name, slots)
            return pod if pod.settled()["phase"] == "Running" else None

        pod = wait_until(attempt)
        assert pod
        return pod

    # --- between tests

    def unhurt(self) -> None:
        """Fail if there was a fault that the test did not check for."""
        assert self.kubelet.process, "kubelet was stopped and not started"
        assert self.kubelet.process.runs, "kubelet has ended by itself"
        assert not [each for each in self.plugins if "Traceback" in each.said]

    def tidy(self) -> bool:
        """Remove the pods. Returns whether the node is as at the start of a test."""
        self.kubelet.without_pods()
        self.plugins = [each for each in self.plugins if each.runs]
        return len(self.plugins) == 1 and self.kubelet.count(NAME) == self.setting.slots

    def end(self) -> None:
        """Stop everything, in any state."""
        for each in self.plugins:
            each.end(signal.SIGKILL)
        if not self.kubelet.process or not self.kubelet.process.runs:
            self.kubelet.stop()
            self.kubelet.start()
        self.kubelet.without_pods()  # otherwise their containers would stay
        self.kubelet.stop(signal.SIGKILL)
