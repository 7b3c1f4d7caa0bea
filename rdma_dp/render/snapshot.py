"""What was taken, for the person who is about to send it away."""

from collections.abc import Iterator
from pathlib import Path

from rdma_dp.node.capture import Taken
from rdma_dp.node.snapshot.anonymous import Anonymous


def lines(taken: Taken, file: Path) -> Iterator[str]:
    """How large it is, what is not in it, and how to look at it."""
    yield f"{file}: {taken.files:,} files and directories in {len(taken.packed):,} bytes"
    if taken.anonymity is None:
        yield "nothing is replaced: it holds this node's addresses, names and serial numbers"
    else:
        yield from _anonymity(taken.anonymity)
    yield f"look at it: tar tzf {file}; rdma-dp doctor --root {file}"


def _anonymity(anonymity: Anonymous) -> Iterator[str]:
    counts = ", ".join(f"{what} {count}" for what, count in anonymity.counts.items() if count)
    yield f"replaced by pseudonyms: {counts or 'nothing, since nothing was found'}"
    for name in anonymity.unchanged:
        yield f"still in it: {name}, too short a name, or also that of a file there"
    for path in anonymity.left_out:
        yield f"not in it: /{path}, whose bytes nobody can tell the meaning of"
