"""The CDI specs of claims: one file for each, with a device for each result of its allocation.

The runtime must find a claim's devices for as long as its pods run, also while rdma-dp is away. So
the files stay until the claim is unprepared. All files have one kind, which no resource has, and
the names of the devices begin with the claim's UID. Pure.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rdma_dp.specs import cdi

# The class of a resource has a "_" or a digest (cdi.kind).
KIND = f"{cdi.VENDOR}/claim"

_OTHER = re.compile(r"[^A-Za-z0-9_.:-]", re.ASCII)


@dataclass(frozen=True, slots=True)
class SpecDevice:
    """A CDI device of a claim. `name` is the part of its name after the "="."""

    name: str
    paths: tuple[str, ...]
    env: Mapping[str, str]

    @property
    def full_name(self) -> str:
        """The name for the runtime: "rdma-dp/claim=UID-hca-mlx5_0"."""
        return f"{KIND}={self.name}"


def file_name(uid: str) -> str:
    """The name of a claim's spec file."""
    return f"{cdi.VENDOR}-claim-{uid}.json"


def device_name(uid: str, request: str, what: str) -> str:
    """The name of the device of one result. kubelet shows it in the pod's status.

    `what` names the HCA, or the device of the slice.
    """
    return f"{uid}-{request}-{_OTHER.sub('-', what)}".rstrip("_.:-")


def text(devices: Sequence[SpecDevice]) -> str:
    """The spec as JSON text, as its file holds it."""
    found = (cdi.device(each.name, each.paths, env=each.env) for each in devices)
    return cdi.text(cdi.document(KIND, found))


def is_ours(content: bytes) -> bool:
    """Whether a file with the name of a claim's spec is ours, also one that a crash truncated."""
    return cdi.is_of_kind(content, KIND, damaged=True)
