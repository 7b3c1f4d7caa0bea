"""Pods, and what their containers see."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from tests.heavy.node import image, private
from tests.heavy.node.kubelet import MANIFESTS, Kubelet
from tests.heavy.node.process import wait_until

# Prints, line by line: the device nodes, whether they can be opened, the variables, and whether
# nodes with other numbers can be opened. It makes those itself.
LOOK = """
opens() { if said=$( (: < "$1") 2>&1 ); then echo open; else echo "${said##*: }"; fi; }
for node in /dev/infiniband/*; do
    [ -c "$node" ] && echo "node ${node##*/} $(opens "$node")"
done
env | sed 's/^/env /'
for number in $OTHERS; do
    mknod /tmp-$number c ${number%:*} ${number#*:} && echo "other $number $(opens /tmp-$number)"
done
echo done
exec sleep 100000
"""

_NUMBERS = count(1)

DENIED = "Operation not permitted"  # the error of the cgroup; that of a driver is different


@dataclass(frozen=True)
class NodeView:
    """What a container saw: nodes and other numbers, each with "open" or the error; variables."""

    nodes: Mapping[str, str]
    others: Mapping[str, str]
    environment: Mapping[str, str]

    @property
    def usable(self) -> set[str]:
        """The nodes that the cgroup lets the container open. Without a driver, open fails later."""
        return {name for name, said in self.nodes.items() if said != DENIED}

    @classmethod
    def read(cls, lines: Sequence[str]) -> "NodeView":
        """The output of `LOOK`."""
        parted = [line.split(" ", 2) for line in lines]
        pairs = [line.removeprefix("env ").partition("=") for line in lines if line[:4] == "env "]
        return cls(
            nodes={words[1]: words[2] for words in parted if words[0] == "node"},
            others={words[1]: words[2] for words in parted if words[0] == "other"},
            environment={name: value for name, _, value in pairs},
        )


class Pod:
    """A pod of one container."""

    def __init__(self, kubelet: Kubelet, name: str) -> None:
        self.name = name
        self._kubelet = kubelet

    @classmethod
    def start(
        cls,
        kubelet: Kubelet,
        name: str,
        limits: Mapping[str, int],
        *,
        others: Iterable[str] = (),
        from_image: str = image.NAME,
        annotations: Mapping[str, str] | None = None,
    ) -> "Pod":
        """Give it to kubelet. `others` are the "MAJOR:MINOR"s that it tries to open.

        If `annotations` are given, which may be empty, the pod has its own networks. Otherwise it
        uses the node's network, which needs no CNI.

        Its name gets a number: kubelet makes a static pod wait if its name was just in use.
        """
        name = f"{name}-{next(_NUMBERS)}"
        limit = {resource: str(count) for resource, count in limits.items()}
        container = {
            "name": "main",
            "image": from_image,
            "imagePullPolicy": "Never",
            "command": ["/bin/busybox", "sh", "-c", LOOK],
            "env": [{"name": "OTHERS", "value": " ".join(others)}],
            "resources": {"limits": limit},
        }
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "namespace": "default",
                "annotations": dict(annotations or {}),
            },
            "spec": {
                "hostNetwork": annotations is None,
                "terminationGracePeriodSeconds": 0,
                "containers": [container],
            },
        }
        return cls.of(kubelet, body)

    @classmethod
    def of(cls, kubelet: Kubelet, body: Mapping[str, Any]) -> "Pod":
        """Give a complete pod to kubelet."""
        name = body["metadata"]["name"]
        fresh = MANIFESTS / f".{name}"
        fresh.write_text(yaml.safe_dump(body))
        fresh.rename(MANIFESTS / f"{name}.yaml")
        return cls(kubelet, name)

    # --- status

    @property
    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self._kubelet.pods().get(self.name, {}).get("status", {})
        return found

    def settled(self) -> dict[str, Any]:
        """Wait until it runs or is refused. Returns its status."""
        return wait_until(
            lambda: self.status, lambda status: status.get("phase") in ("Running", "Failed")
        )

    def running(self) -> "Pod":
        """Wait until it runs. Fails at once if the pod is refused."""
        status = self.settled()
        assert status["phase"] == "Running", f"pod {self.name}: {json.dumps(status)}"
        return self

    def refused(self) -> str:
        """Wait until it is refused. Returns `reason: message` of its status."""
        status = self.settled()
        assert status["phase"] == "Failed", f"pod {self.name}: {json.dumps(status)}"
        return f"{status['reason']}: {status['message']}"

    def waits(self, reason: str) -> str:
        """Wait until its container cannot be created for `reason`. Returns the message."""

        def waiting() -> dict[str, str]:
            (container,) = self.status.get("containerStatuses") or [{}]
            found: dict[str, str] = container.get("state", {}).get("waiting", {})
            return found

        return wait_until(waiting, lambda state: state.get("reason") == reason)["message"]

    def container(self) -> str:
        """Wait until its container runs. Returns the container's id."""

        def running() -> str | None:
            (container,) = self.status.get("containerStatuses") or [{}]
            found: str | None = container.get("containerID")
            return found if "running" in container.get("state", {}) else None

        return wait_until(running) or ""

    def health(self) -> dict[str, str]:
        """The health of each of its devices, from its status."""
        (container,) = self.status.get("containerStatuses") or [{}]
        return {
            resource["resourceID"]: resource["health"]
            for each in container.get("allocatedResourcesStatus", [])
            for resource in each["resources"]
        }

    @property
    def allocation(self) -> dict[str, frozenset[str]]:
        return self._kubelet.allocation(self.name)

    @property
    def identity(self) -> tuple[str, dict[str, frozenset[str]]]:
        """Its container and its devices, which must stay the same."""
        return self.container(), self.allocation

    def slots(self, resource: str) -> frozenset[str]:
        return self.allocation.get(resource, frozenset())

    def gone(self) -> None:
        """Remove it, and wait until it is gone."""
        (MANIFESTS / f"{self.name}.yaml").unlink()
        wait_until(lambda: self.name not in self._kubelet.pods())

    # --- the output of its container

    def sight(self) -> NodeView:
        """What its last container saw."""
        return NodeView.read(wait_until(self.said, lambda lines: "done" in lines))

    def said(self) -> list[str]:
        """The log of its last container. Its lines are `TIME STREAM F TEXT`."""
        logs = Path("/var/log/pods").glob(f"*_{self.name}-{private.NODE}_*/*/*.log")
        newest = sorted(logs, key=lambda log: log.stat().st_mtime)[-1:]
        lines = [line for log in newest for line in log.read_text().splitlines()]
        return [line.split(" ", 3)[3] for line in lines if line.count(" ") >= 3]
