"""The CDI specs of claims in the runtime's directory, beside those of resources and of others."""

from collections.abc import Sequence
from pathlib import Path

from rdma_dp.specs import claim_spec
from rdma_dp.specs.claim_spec import SpecDevice
from rdma_dp.specs.directory import OwnFiles, file_content
from rdma_dp.specs.file_errors import raise_first


class ClaimSpecs:
    """Writes and removes the spec of one claim at a time. The caller orders the calls."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files = OwnFiles(directory)

    def write(self, uid: str, devices: Sequence[SpecDevice]) -> None:
        """Writes the claim's spec, unless it has this content. Raises FileError."""
        name, text = claim_spec.file_name(uid), claim_spec.text(devices)
        if self._has(name, text):
            return  # the other files of the directory need not be listed
        raise_first(self._files.write({name: text}, lambda _, read: claim_spec.is_ours(read())))

    def remove(self, uid: str) -> None:
        """Removes the claim's spec, if there is one. Raises FileError."""
        own = claim_spec.file_name(uid)
        raise_first(
            self._files.clear((), lambda name, read: name == own and claim_spec.is_ours(read()))
        )

    def _has(self, name: str, text: str) -> bool:
        try:
            return file_content(self._directory / name) == text.encode()
        except OSError:
            return False
