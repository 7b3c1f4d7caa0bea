"""What the API server refuses in a ResourceSlice, and what it drops without an error.

Sources: k8s.io/kubernetes pkg/apis/resource/validation, pkg/registry/resource/resourceslice and
pkg/features/kube_features.go, 1.34 to 1.36. It has the rules that a driver of HCAs can break.
"""

import copy
import re
from typing import Any

from simulator.api_server.store import Object, StatusError

Version = tuple[int, int]

GATES_SINCE: dict[str, Version] = {
    "DRAConsumableCapacity": (1, 36),
    "DRADeviceTaints": (1, 36),
    "DRAExtendedResource": (1, 36),
}

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_NAME = re.compile(r"([a-z0-9][-a-z0-9.]*/)?[A-Za-z_][A-Za-z0-9_]{0,31}")
_IMMUTABLE = ("driver", "nodeName", "allNodes", "nodeSelector")
_QUANTITY = re.compile(r"[0-9]+[kMG]?")


def dropped(wanted: Object, gates: frozenset[str]) -> Object:
    """The slice without the fields of gates that are off."""
    kept = copy.deepcopy(wanted)
    for device in kept.get("spec", {}).get("devices") or ():
        if "DRADeviceTaints" not in gates:
            device.pop("taints", None)
        if "DRAConsumableCapacity" not in gates:
            device.pop("allowMultipleAllocations", None)
            for capacity in (device.get("capacity") or {}).values():
                capacity.pop("requestPolicy", None)
    return kept


def check(wanted: Object, before: Object | None) -> None:
    """Raises StatusError 422 with every problem."""
    problems = [*_spec(wanted.get("spec") or {})]
    if before is not None:
        changed = (key for key in _IMMUTABLE if wanted["spec"].get(key) != before["spec"].get(key))
        problems += [f"spec.{key}: field is immutable" for key in changed]
    if problems:
        raise StatusError(422, "Invalid", f"ResourceSlice is invalid: {'; '.join(problems)}")


def _spec(spec: Object) -> list[str]:
    pool, devices = spec.get("pool") or {}, spec.get("devices") or []
    problems = [f"spec.{key} is required" for key in ("driver", "pool") if not spec.get(key)]
    scopes = [key for key in ("nodeName", "nodeSelector", "allNodes") if spec.get(key)]
    if len(scopes) != 1:
        problems.append("spec: exactly one of nodeName, nodeSelector, allNodes")
    if pool.get("resourceSliceCount", 0) < 1 or pool.get("generation", 0) < 0:
        problems.append("spec.pool: resourceSliceCount or generation out of range")
    most = 64 if any(device.get("taints") for device in devices) else 128
    if len(devices) > most:
        problems.append(f"spec.devices: must have at most {most} items")
    names = [device.get("name") for device in devices]
    if len({*names}) < len(names):
        problems.append("spec.devices: duplicate name")
    for device in devices:
        problems += [f"{device.get('name')}: {each}" for each in _device(device)]
    return problems


def _device(device: Object) -> list[str]:
    attributes, capacity = device.get("attributes") or {}, device.get("capacity") or {}
    problems = []
    if not _LABEL.fullmatch(device.get("name") or ""):
        problems.append("name is no DNS label")
    if len(attributes) + len(capacity) > 32:
        problems.append("more than 32 attributes and capacities")
    problems += [
        f"{name}: bad name" for name in (*attributes, *capacity) if not _NAME.fullmatch(name)
    ]
    problems += [
        f"{name}: {_attribute(value)}" for name, value in attributes.items() if _attribute(value)
    ]
    for name, value in capacity.items():
        if not _QUANTITY.fullmatch(value.get("value", "")):
            problems.append(f"{name}: bad quantity")
        if value.get("requestPolicy") and not device.get("allowMultipleAllocations"):
            problems.append(f"{name}: requestPolicy needs allowMultipleAllocations")
    for taint in device.get("taints") or ():
        if taint.get("effect") not in ("None", "NoSchedule", "NoExecute") or not taint.get("key"):
            problems.append("bad taint")
    return problems


def _attribute(value: Any) -> str:
    if not isinstance(value, dict) or len(value) != 1:
        return "exactly one value"
    kind, content = next(iter(value.items()))
    types = {"int": int, "bool": bool, "string": str, "version": str}
    if kind not in types or type(content) is not types[kind]:
        return f"bad {kind}"
    if isinstance(content, str) and len(content.encode()) > 64:
        return "more than 64 bytes"
    return ""
