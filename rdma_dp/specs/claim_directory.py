"""The CDI specs of claims in the runtime's directory, beside those of resources and of others."""

from collections.abc import Sequence
from pathlib import Path

from rdma_dp.specs import claim_spec
from rdma_dp.specs.claim_spec import SpecDevice
from rdma_dp.specs.directory import OwnFiles


class ClaimSpecs:
    """Writes and removes the spec of one claim at a time. The caller orders the calls."""

    def __init__(self, directory: Path) -> None:
        self._files = OwnFiles(directory)

    def write(self, uid: str, devices: Sequence[SpecDevice]) -> None:
        """Writes the claim's spec, unless it has this content. Raises FileError."""
        wanted = {claim_spec.file_name(uid): claim_spec.text(devices)}
        failures = self._files.write(wanted, lambda _, read: claim_spec.is_ours(read()))
        for failure in failures.values():
            raise failure

    def remove(self, uid: str) -> None:
        """Removes the claim's spec, if there is one. Raises FileError."""
        own = claim_spec.file_name(uid)
        failures = self._files.clear(
            (), lambda name, read: name == own and claim_spec.is_ours(read())
        )
        for failure in failures.values():
            raise failure
