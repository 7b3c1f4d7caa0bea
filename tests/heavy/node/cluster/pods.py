"""Pods that the scheduler places, and what their containers see."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tests.heavy.node import image
from tests.heavy.node.cluster import api
from tests.heavy.node.pods import LOOK, NodeView
from tests.heavy.node.process import wait_until

if TYPE_CHECKING:
    from tests.heavy.node.cluster.cluster import Cluster


class Pod:
    """A pod of one container in the namespace `default`, of the test or of deploy/."""

    def __init__(self, cluster: "Cluster", name: str) -> None:
        self.name = name
        self._cluster = cluster

    def manifest(self, limits: Mapping[str, int], others: Iterable[str]) -> dict[str, Any]:
        """The manifest of a pod that inspects its container. `others` are "MAJOR:MINOR"s that it
        tries to open.
        """
        limit = {resource: str(count) for resource, count in limits.items()}
        container = {
            "name": "main",
            "image": image.NAME,
            "imagePullPolicy": "Never",
            "command": ["/bin/busybox", "sh", "-c", LOOK],
            "env": [{"name": "OTHERS", "value": " ".join(others)}],
            "resources": {"limits": limit},
        }
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": self.name},
            "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]},
        }

    @property
    def status(self) -> dict[str, Any]:
        pod = api.get(f"/api/v1/namespaces/default/pods/{self.name}") or {}
        found: dict[str, Any] = pod.get("status", {})
        return found

    def running(self) -> "Pod":
        """Wait until it runs."""
        step = f"pod {self.name} runs"
        found = self._cluster.wait(step, self._settled, lambda status: status.get("phase"))
        assert found["phase"] == "Running", found
        return self

    def _settled(self) -> dict[str, Any]:
        status = self.status
        return status if status.get("phase") in ("Running", "Failed", "Succeeded") else {}

    def pending(self) -> str:
        """Wait until the scheduler cannot place it. Returns the reason."""

        def why() -> str | None:
            conditions = self.status.get("conditions", [])
            return next((c["message"] for c in conditions if _is_unschedulable(c)), None)

        message = wait_until(why) or ""
        assert self.status["phase"] == "Pending"
        return message

    @property
    def identity(self) -> str:
        """Its container, which must stay the same."""
        (container,) = self.status["containerStatuses"]
        assert container["restartCount"] == 0
        return str(container["containerID"])

    def log(self) -> list[str]:
        return self._cluster.kubectl("logs", self.name).splitlines()

    def sight(self) -> NodeView:
        """What its container saw."""
        return NodeView.read(wait_until(self.log, lambda lines: "done" in lines))

    def delete(self) -> None:
        self._cluster.kubectl("delete", "pod", self.name, "--now")


def _is_unschedulable(condition: Mapping[str, str]) -> bool:
    return condition["type"] == "PodScheduled" and condition["status"] == "False"
