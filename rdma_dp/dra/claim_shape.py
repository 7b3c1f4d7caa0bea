"""The types of the fields of a ResourceClaim that we read. Pure.

The API server checks its objects. What comes from a proxy, or from a file, may be anything.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

# The type of a field: str, bool, a list of one of them, or the fields of an object. A field that is
# missing or null has no type to check. `object` takes anything (k8s.io/api resource/v1, types.go).
_Shape = Any

_ALLOCATION: _Shape = {
    "devices": {
        "results": [
            {
                "request": str,
                "driver": str,
                "pool": str,
                "device": str,
                "shareID": str,
                "adminAccess": bool,
            }
        ],
        "config": [
            {
                "source": str,
                "requests": [str],
                "opaque": {"driver": str, "parameters": object},
            }
        ],
    }
}
_CLAIM: _Shape = {
    "metadata": {"namespace": str, "name": str, "uid": str},
    "status": {"allocation": _ALLOCATION},
}
_WHOLE = "the claim"
_NAMES: Mapping[Any, str] = MappingProxyType({str: "text", bool: "true or false"})


def misshapen(claim: object) -> str | None:
    """The first field of a claim that has a wrong type, in words; None if there is none."""
    return next(_wrong(claim, _CLAIM, _WHOLE), None)


def allocation_of(claim: Mapping[str, Any]) -> Mapping[str, Any]:
    """The status.allocation of a claim, empty if there is none."""
    status = claim.get("status")
    found = status.get("allocation") if isinstance(status, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _wrong(value: Any, shape: _Shape, where: str) -> Iterator[str]:
    if isinstance(shape, dict):
        if not isinstance(value, Mapping):
            yield f"{where} is no object"
            return
        for name, each in shape.items():
            if value.get(name) is not None:
                yield from _wrong(value[name], each, f"{where}.{name}".removeprefix(f"{_WHOLE}."))
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield f"{where} is no list"
            return
        for number, each in enumerate(value):
            yield from _wrong(each, shape[0], f"{where}[{number}]")
    elif not isinstance(value, shape):
        yield f"{where} is not {_NAMES[shape]}"
    elif shape is str and not value.isprintable():
        yield f"{where} has a character that no name has"
