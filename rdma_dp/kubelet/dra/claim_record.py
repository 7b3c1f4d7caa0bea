"""What is known of a prepared claim, and its text in the claim's file. Pure."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from rdma_dp.errors import RdmaDpError
from rdma_dp.specs.claim_spec import SpecDevice

# A version that can be read by older ones keeps the number. Fields may be added.
VERSION = 1

# A UID of the API server is a UUID. It becomes part of file names.
_UID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,98}[A-Za-z0-9])?", re.ASCII)


class StoreError(RdmaDpError):
    """The claims of this node cannot be read or written now."""


class ClaimFileError(StoreError):
    """A claim's file cannot be read: it is damaged, or of another program."""


class NewerFileError(ClaimFileError):
    """A claim's file was written by a newer rdma-dp."""


@dataclass(frozen=True, slots=True)
class ClaimRef:
    """A claim as kubelet names it."""

    namespace: str
    name: str
    uid: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class HeldDevice:
    """One result of a claim's allocation, and what the containers of its request get.

    `request` is the request's name without a subrequest. `nodes` are the paths of the device nodes
    of each HCA, by its hardware key: names and numbers can change at a boot. `cdi` is the CDI
    device: its name never changes, the rest follows the HCAs.
    """

    request: str
    pool: str
    device: str
    share_id: str | None
    admin: bool
    hcas: tuple[str, ...]
    nodes: Mapping[str, tuple[str, ...]]
    cdi: SpecDevice


@dataclass(frozen=True, slots=True)
class ClaimRecord:
    """A prepared claim. `allocation` is its status.allocation as the API server gave it.

    The results of one claim are in the order of the allocation.
    """

    ref: ClaimRef
    driver: str
    devices: tuple[HeldDevice, ...]
    allocation: Mapping[str, Any] = field(default_factory=dict)


def is_uid(text: str) -> bool:
    """Whether a text can be a UID, and a part of a file name."""
    return _UID.fullmatch(text) is not None


# --- text ---------------------------------------------------------------------------------------


def to_text(record: ClaimRecord) -> str:
    """The text of a claim's file."""
    document = {
        "version": VERSION,
        "driver": record.driver,
        "uid": record.ref.uid,
        "namespace": record.ref.namespace,
        "name": record.ref.name,
        "devices": [_device_document(each) for each in record.devices],
        "allocation": dict(record.allocation),
    }
    return json.dumps(document, indent=1) + "\n"


def _device_document(device: HeldDevice) -> dict[str, Any]:
    return {
        "request": device.request,
        "pool": device.pool,
        "device": device.device,
        "shareID": device.share_id,
        "adminAccess": device.admin,
        "hcas": list(device.hcas),
        "nodes": {key: list(paths) for key, paths in device.nodes.items()},
        "cdi": {
            "name": device.cdi.name,
            "paths": list(device.cdi.paths),
            "env": dict(device.cdi.env),
        },
    }


def from_text(text: bytes, uid: str, driver: str) -> ClaimRecord:
    """The record of a claim's file. Raises ClaimFileError."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ClaimFileError(f"it is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise ClaimFileError("it is no JSON object")
    version = document.get("version")
    if isinstance(version, int) and version > VERSION:
        raise NewerFileError(
            f"a newer rdma-dp wrote it: version {version}, this one knows {VERSION}"
        )
    if version != VERSION:
        raise ClaimFileError("it has no version of ours")
    return _record(_Reader(document, "the file"), uid, driver)


def _record(read: "_Reader", uid: str, driver: str) -> ClaimRecord:
    found = ClaimRef(read.text("namespace"), read.text("name"), read.text("uid"))
    if found.uid != uid:
        raise ClaimFileError(f"it is of the claim with the UID {found.uid!r}")
    if read.text("driver") != driver:
        raise ClaimFileError(f"it is of the driver {read.text('driver')!r}")
    devices = tuple(_device(each) for each in read.children("devices"))
    return ClaimRecord(found, driver, devices, read.child("allocation").values)


def _device(read: "_Reader") -> HeldDevice:
    cdi = read.child("cdi")
    return HeldDevice(
        request=read.text("request"),
        pool=read.text("pool"),
        device=read.text("device"),
        share_id=read.optional_text("shareID"),
        admin=read.flag("adminAccess"),
        hcas=read.texts("hcas"),
        nodes=read.child("nodes").each_texts(),
        cdi=SpecDevice(cdi.text("name"), cdi.texts("paths"), cdi.child("env").each_text()),
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    """A JSON object whose fields must have the right types. All raise ClaimFileError."""

    values: Mapping[str, Any]
    where: str

    def text(self, name: str) -> str:
        return str(self._of(name, str))

    def optional_text(self, name: str) -> str | None:
        return None if self.values.get(name) is None else self.text(name)

    def flag(self, name: str) -> bool:
        return bool(self._of(name, bool))

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(self._checked(each, name, str) for each in self._of(name, list))

    def each_text(self) -> Mapping[str, str]:
        return MappingProxyType({name: self.text(name) for name in self.values})

    def each_texts(self) -> Mapping[str, tuple[str, ...]]:
        return MappingProxyType({name: self.texts(name) for name in self.values})

    def child(self, name: str) -> "_Reader":
        return _Reader(self._of(name, dict), name)

    def children(self, name: str) -> list["_Reader"]:
        return [_Reader(self._checked(each, name, dict), name) for each in self._of(name, list)]

    def _of(self, name: str, kind: type) -> Any:
        return self._checked(self.values.get(name), name, kind)

    def _checked(self, value: object, name: str, kind: type) -> Any:
        if not isinstance(value, kind):
            raise ClaimFileError(f"{self.where}: {name} is missing or of the wrong kind")
        return value
