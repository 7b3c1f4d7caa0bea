"""The summary of a snapshot, for the person who is about to send it."""

from collections.abc import Iterator
from pathlib import Path

from rdma_dp.node.capture import Taken
from rdma_dp.node.snapshot.anonymous import Anonymous


def lines(taken: Taken, file: Path) -> Iterator[str]:
    """The size, what was replaced or left out, and commands to inspect the file."""
    yield f"{file}: {taken.files:,} files and directories in {len(taken.packed):,} bytes"
    if taken.anonymity is None:
        yield "nothing is replaced: this file contains the node's addresses, names, serial numbers"
    else:
        yield from _anonymity(taken.anonymity)
    yield f"to inspect it: tar tzf {file}; rdma-dp doctor --root {file}"


def _anonymity(anonymity: Anonymous) -> Iterator[str]:
    counts = ", ".join(f"{what} {count}" for what, count in anonymity.counts.items() if count)
    yield f"replaced by pseudonyms: {counts or 'nothing, because nothing was found'}"
    for name in anonymity.unchanged:
        yield f"not replaced: {name}, because it is too short, or is also the name of a file"
    for path in anonymity.left_out:
        yield f"left out: /{path}, because the meaning of its bytes is unknown"
