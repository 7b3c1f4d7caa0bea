"""The objects of the fake API server, their versions, and the changes that watches get."""

import asyncio
import copy
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

Object = dict[str, Any]
Key = tuple[str, str, str]  # resource, namespace, name

KINDS = {
    "resourceslices": "ResourceSlice",
    "resourceclaims": "ResourceClaim",
    "deviceclasses": "DeviceClass",
    "nodes": "Node",
    "pods": "Pod",
}


class StatusError(Exception):
    """An answer that is a Status object."""

    def __init__(self, code: int, reason: str, message: str, name: str = "") -> None:
        """`name`: of the object that the answer is about."""
        super().__init__(message)
        self.code = int(code)
        self.reason = reason
        self.message = message
        self.details = {"name": name} if name else {}

    @property
    def status(self) -> Object:
        """The Status object."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
            "details": self.details,
        }


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one object, with the version after it."""

    version: int
    type: str  # ADDED, MODIFIED or DELETED
    key: Key
    object: Object


class Store:
    """Objects with one version for all, as etcd has it."""

    def __init__(self) -> None:
        self.version = 100
        self.changes: list[Change] = []
        self.oldest = 100  # watches from an older version are gone
        self._objects: dict[Key, Object] = {}
        self._changed = asyncio.Event()

    def get(self, key: Key) -> Object:
        """An object. Raises StatusError."""
        if key not in self._objects:
            message = f'{key[0]} "{key[2]}" not found'
            raise StatusError(HTTPStatus.NOT_FOUND, "NotFound", message, key[2])
        return copy.deepcopy(self._objects[key])

    def all(self, resource: str) -> list[Object]:
        """All objects of a kind, by name."""
        found = sorted(key for key in self._objects if key[0] == resource)
        return [copy.deepcopy(self._objects[key]) for key in found]

    def create(self, key: Key, wanted: Object, *, dry_run: bool = False) -> Object:
        """Stores a new object. Raises StatusError."""
        made = copy.deepcopy(wanted)
        metadata = made.setdefault("metadata", {})
        if not key[2]:
            prefix = metadata.get("generateName")
            if not prefix:
                raise StatusError(422, "Invalid", "name or generateName is required")
            key = (key[0], key[1], f"{prefix}{uuid.uuid4().hex[:5]}")
        if key in self._objects:
            raise StatusError(409, "AlreadyExists", f'{key[0]} "{key[2]}" already exists')
        metadata |= {
            "name": key[2],
            "uid": str(uuid.uuid4()),
            "generation": 1,
            "creationTimestamp": _now(),
            "managedFields": [{"manager": "rdma-dp", "operation": "Update"}],
        }
        return made if dry_run else self._keep("ADDED", key, made)

    def replace(self, key: Key, wanted: Object) -> Object:
        """Stores a changed object. Raises StatusError, 409 if it has another version."""
        before = self.get(key)
        version = wanted.get("metadata", {}).get("resourceVersion")
        if version and version != before["metadata"]["resourceVersion"]:
            message = f'Operation cannot be fulfilled on {key[0]} "{key[2]}": the object has been'
            raise StatusError(409, "Conflict", f"{message} modified; please apply your changes")
        made = copy.deepcopy(wanted)
        kept = ("uid", "creationTimestamp", "generation", "resourceVersion", "managedFields")
        made["metadata"] = {
            **made.get("metadata", {}),
            **{name: before["metadata"][name] for name in kept if name in before["metadata"]},
        }
        if made == before:
            return before  # etcd is not written, and the version stays
        if made.get("spec") != before.get("spec"):
            made["metadata"]["generation"] += 1
        return self._keep("MODIFIED", key, made)

    def delete(self, key: Key, preconditions: Object | None = None) -> Object:
        """Removes an object. Raises StatusError."""
        before = self.get(key)
        for name, value in (preconditions or {}).items():
            if before["metadata"][name] != value:
                raise StatusError(409, "Conflict", f"Precondition failed: {name} in precondition")
        self._keep("DELETED", key, before)
        return before

    def compact(self) -> None:
        """Forgets old changes: watches from before now expire, those that run too."""
        self.version += 1
        self.oldest = self.version
        self.wake()

    async def changed_after(self, version: int) -> None:
        """Waits for a change after this version, or for `wake`."""
        if self.version <= version:
            await self._changed.wait()

    def wake(self) -> None:
        """Lets all waiters go on."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def until(self, accept: Callable[[], bool]) -> None:
        """Waits until something holds. It is checked after each change and request."""
        while not accept():
            await self._changed.wait()

    def _keep(self, type_: str, key: Key, made: Object) -> Object:
        self.version += 1
        made["metadata"]["resourceVersion"] = str(self.version)
        self._objects[key] = made
        if type_ == "DELETED":
            del self._objects[key]
        self.changes.append(Change(self.version, type_, key, copy.deepcopy(made)))
        self.wake()
        return copy.deepcopy(made)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def stamped(slice_: Object, before: Object | None) -> None:
    """Sets when each taint was added, as the server does."""
    since = {
        (device["name"], taint["key"], taint["effect"]): taint.get("timeAdded")
        for device in (before or {}).get("spec", {}).get("devices") or ()
        for taint in device.get("taints") or ()
    }
    for device in slice_["spec"].get("devices") or ():
        for taint in device.get("taints") or ():
            key = device["name"], taint["key"], taint["effect"]
            taint.setdefault("timeAdded", since.get(key) or _now())
