"""The requests that DRA needs (resource.k8s.io/v1, since Kubernetes 1.34).

The ClusterRole in deploy/ allows them and no others.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from rdma_dp.api_server.api_client import APPLY, ApiClient, Object
from rdma_dp.api_server.api_errors import ApiError, NotFoundError
from rdma_dp.api_server.api_request import Request
from rdma_dp.dra.slices import API_VERSION

GROUP, VERSION = API_VERSION.split("/")

# Seconds in which a claim is asked for again while the API server does not answer. kubelet waits 45
# s for all claims of a pod (kubelet pkg/kubelet/cm/dra/plugin) and shows our error after that.
_CLAIM_PATIENCE = 15.0


@dataclass(frozen=True, slots=True)
class SliceList:
    """The slices of a node and a driver at a moment, and the version that a watch goes on from."""

    items: tuple[Object, ...]
    version: str


class DraApi:
    """Requests for the slices of one driver on one node, and for claims."""

    def __init__(self, client: ApiClient, node: str, driver: str) -> None:
        self._client = client
        self.node = node
        self.driver = driver

    async def node_uid(self) -> str:
        """The uid of this node's Node object. Raises ApiError."""
        found = await self._client.call(Request("get", "", "v1", "nodes", self.node))
        metadata = found.get("metadata")
        uid = metadata.get("uid") if isinstance(metadata, Mapping) else None
        if not isinstance(uid, str) or not uid:
            raise ApiError(f"the Node {self.node} has no uid")
        return uid

    async def claim(self, namespace: str, name: str, patience: float = _CLAIM_PATIENCE) -> Object:
        """A ResourceClaim. Raises ApiError, NotFoundError if there is none.

        `patience`: seconds within which another try may begin.
        """
        request = Request("get", GROUP, VERSION, "resourceclaims", name, namespace)
        return await self._client.call(request, patience=patience)

    async def apply_claim_status(
        self, namespace: str, name: str, uid: str, status: Mapping[str, Any]
    ) -> None:
        """Writes our part of the status of a claim by server-side apply. Raises ApiError.

        A claim of the same name with another uid is left alone: ConflictError.
        """
        request = Request(
            "patch",
            GROUP,
            VERSION,
            "resourceclaims/status",
            name,
            namespace,
            {"fieldManager": self.driver, "force": "true"},
        )
        body = {
            "apiVersion": API_VERSION,
            "kind": "ResourceClaim",
            "metadata": {"name": name, "namespace": namespace, "uid": uid},
            "status": status,
        }
        await self._client.call(request, body, APPLY)

    async def slices(self) -> SliceList:
        """Our slices of this node. Raises ApiError."""
        try:
            found = await self._client.call(self._slices("list", query=self._selector))
        except NotFoundError as error:
            raise NotFoundError(
                error.message, f"{API_VERSION} exists since Kubernetes 1.34"
            ) from error
        return SliceList(tuple(map(checked, _items(found))), version_of(found))

    async def device_classes(self) -> tuple[Object, ...]:
        """All DeviceClasses of the cluster, for the doctor. Raises ApiError."""
        found = await self._client.call(Request("list", GROUP, VERSION, "deviceclasses"))
        return tuple(_items(found, dict))

    def slice_changes(
        self, version: str, seconds: int, idle: float
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The changes of our slices since a version: JSON, one object a line.

        The server ends them after `seconds`. `idle`: seconds without a byte after which the
        connection counts as dead. Raises ApiError, GoneError if the version is too old.
        """
        query = {
            **self._selector,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(seconds),
        }
        return self._client.stream(self._slices("watch", query=query), idle)

    async def create_slice(self, wanted: Object) -> Object:
        """The slice as the server keeps it. Raises ApiError."""
        return checked(await self._client.call(self._slices("create"), wanted))

    async def try_slice(self, wanted: Object) -> Object:
        """The slice as the server would keep it. Nothing is stored. Raises ApiError."""
        request = self._slices("create", query={"dryRun": "All"})
        return await self._client.call(request, wanted)

    async def update_slice(self, wanted: Object) -> Object:
        """The slice as the server keeps it. `wanted` has the resourceVersion. Raises ApiError."""
        request = self._slices("update", wanted["metadata"]["name"])
        return checked(await self._client.call(request, wanted))

    async def delete_slice(self, held: Object) -> None:
        """Deletes this very slice, if it has not changed since. Raises ApiError."""
        metadata = held["metadata"]
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {key: metadata[key] for key in ("uid", "resourceVersion")},
        }
        await self._client.call(self._slices("delete", metadata["name"]), body)

    def _slices(self, verb: str, name: str = "", query: Mapping[str, str] | None = None) -> Request:
        return Request(verb, GROUP, VERSION, "resourceslices", name, query=query or {})

    @property
    def _selector(self) -> dict[str, str]:
        return {"fieldSelector": f"spec.nodeName={self.node},spec.driver={self.driver}"}


def _items(found: Object, kind: type = object) -> list[Any]:
    """The items of a list, if all are of this type. Raises ApiError."""
    items = found.get("items") or []
    if not isinstance(items, list) or not all(isinstance(each, kind) for each in items):
        raise ApiError("the API server answers with a list without items")
    return items


def checked(found: object) -> Object:
    """The same object, if it has what every stored slice has. Raises ApiError."""
    metadata = found.get("metadata") if isinstance(found, Mapping) else None
    if not isinstance(found, dict) or not isinstance(metadata, Mapping):
        raise ApiError("the API server sends an object without metadata")
    if not isinstance(found.get("spec"), Mapping):
        raise ApiError("the API server sends a ResourceSlice without spec")
    for key in ("name", "uid", "resourceVersion"):
        if not isinstance(metadata.get(key), str):
            raise ApiError(f"the API server sends an object without metadata.{key}")
    return found


def version_of(found: Object) -> str:
    """The resourceVersion of an object, a list or a bookmark. Raises ApiError."""
    metadata = found.get("metadata")
    version = metadata.get("resourceVersion") if isinstance(metadata, Mapping) else None
    if not isinstance(version, str) or not version:
        raise ApiError("the API server sends an object without metadata.resourceVersion")
    return version
