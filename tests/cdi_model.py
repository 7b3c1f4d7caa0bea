"""A strict model of a CDI 0.5.0 document, and what a runtime resolves from it.

From SPEC.md of cncf-tags/container-device-interface. Unknown fields, and fields that are newer than
0.5.0, are refused.
"""

import json
import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

VENDOR_OR_CLASS = r"[A-Za-z][A-Za-z0-9_.-]*[A-Za-z0-9]"
DEVICE_NAME = r"[A-Za-z0-9][A-Za-z0-9_.:-]*[A-Za-z0-9]"
ANNOTATION_NAME = r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"


class UnresolvableError(Exception):
    """The runtime refuses to create the container."""


def _kind(kind: str) -> str:
    vendor, slash, class_name = kind.partition("/")
    assert slash
    assert re.fullmatch(VENDOR_OR_CLASS, vendor, re.ASCII)
    assert re.fullmatch(VENDOR_OR_CLASS, class_name, re.ASCII)
    assert len(vendor) <= 253
    assert len(class_name) <= 63
    assert "." not in class_name, "a dot in the class needs CDI 0.6.0"
    return kind


def _device_name(name: str) -> str:
    assert re.fullmatch(DEVICE_NAME, name, re.ASCII)
    return name


def _absolute(path: str) -> str:
    assert PurePosixPath(path).is_absolute()
    return path


Path = Annotated[str, AfterValidator(_absolute)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=to_camel)


class DeviceNode(_Strict):
    path: Path
    host_path: Path | None = None
    type: Literal["b", "c", "u", "p"] | None = None
    major: int | None = None
    minor: int | None = None
    file_mode: int | None = None
    permissions: Annotated[str, StringConstraints(pattern=r"^r?w?m?$")] | None = None
    uid: int | None = None
    gid: int | None = None


class Mount(_Strict):
    host_path: Path
    container_path: Path
    type: str | None = None
    options: list[str] | None = None


class Hook(_Strict):
    hook_name: str
    path: Path
    args: list[str] | None = None
    env: list[str] | None = None
    timeout: Annotated[int, Field(gt=0)] | None = None


class ContainerEdits(_Strict):
    env: list[str] | None = None
    device_nodes: list[DeviceNode] | None = None
    mounts: list[Mount] | None = None
    hooks: list[Hook] | None = None


def _not_empty(edits: ContainerEdits) -> ContainerEdits:
    assert edits.env or edits.device_nodes or edits.mounts or edits.hooks
    return edits


class Device(_Strict):
    name: Annotated[str, AfterValidator(_device_name)]
    container_edits: Annotated[ContainerEdits, AfterValidator(_not_empty)]


def _each_name_once(devices: list[Device]) -> list[Device]:
    names = [device.name for device in devices]
    assert len(names) == len(set(names)) > 0
    return devices


class Spec(_Strict):
    cdi_version: Literal["0.5.0"]
    kind: Annotated[str, AfterValidator(_kind)]
    devices: Annotated[list[Device], AfterValidator(_each_name_once)]
    container_edits: ContainerEdits | None = None


def parsed(text: str) -> Spec:
    """The spec in a text. Raises ValidationError when it is not a CDI 0.5.0 document."""
    return Spec.model_validate(json.loads(text))


def resolved(names: Iterable[str], texts: Iterable[str]) -> set[str]:
    """The device nodes that a container with these CDI devices gets, from all spec files."""
    nodes: dict[str, list[str]] = {}
    for spec in map(parsed, texts):
        for device in spec.devices:
            found = [node.path for node in device.container_edits.device_nodes or []]
            assert nodes.setdefault(f"{spec.kind}={device.name}", found) is found, "a conflict"
    unknown = [name for name in names if name not in nodes]
    if unknown:
        raise UnresolvableError(f"unresolvable CDI devices {', '.join(unknown)}")
    return {path for name in names for path in nodes[name]}


def checked_annotations(annotations: dict[str, Any]) -> list[str]:
    """The device names in a container's annotations, as a runtime collects them."""
    found = []
    for key, value in annotations.items():
        prefix, _, name = key.partition("/")
        assert prefix == "cdi.k8s.io"
        assert re.fullmatch(ANNOTATION_NAME, name, re.ASCII)
        found += value.split(",")
    return found
