"""Takes a snapshot: runs what the verbs run on a node, and keeps everything that they read.

Only the host names, which an anonymous snapshot replaces, are read for the snapshot itself.
"""

import os
import platform
import re
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from rdma_dp import __version__
from rdma_dp.config.loading import FoundConfig
from rdma_dp.formats.names import NODE_NAME
from rdma_dp.host.files import Host, HostError
from rdma_dp.host.netlink.backends import RecordingNetlink
from rdma_dp.host.paths import CLASS_INFINIBAND
from rdma_dp.node.answers import About
from rdma_dp.node.snapshot import archive_writing
from rdma_dp.node.snapshot.anonymous import Anonymous, anonymous
from rdma_dp.node.snapshot.model import Snapshot
from rdma_dp.node.snapshot.recording import RecordingTree
from rdma_dp.node.source import NodeSource


@dataclass(frozen=True, slots=True)
class Taken:
    """An archive, in `packed`. `files` is the number of the node's files in it.

    `anonymity` is None for a raw snapshot.
    """

    packed: bytes
    files: int
    anonymity: Anonymous | None


@dataclass(frozen=True, slots=True)
class KubeletPlaces:
    """Kubelet's directories on a live node; `device_plugins` is None if it is below `root`."""

    root: Path
    device_plugins: Path | None = None


# Reads from a node what some verb reads from it.
Reader = Callable[[NodeSource, FoundConfig], object]


def take(
    source: NodeSource,
    config: FoundConfig,
    kubelet: KubeletPlaces,
    readers: Iterable[Reader],
    *,
    raw: bool,
    hide: Iterable[str] = (),
) -> Taken:
    """The snapshot of a node as an archive. Raises RdmaDpError.

    `readers` read what the verbs read beyond a scan. `hide` are further names that are replaced as
    host names are.
    """
    snapshot = record(source, config, kubelet, readers)
    anonymity = None if raw else anonymous(snapshot, [*host_names(source), *hide])
    if anonymity is not None:
        snapshot = anonymity.snapshot
    packed = archive_writing.pack(snapshot)
    return Taken(packed, len(snapshot.contents.entries), anonymity)


def record(
    source: NodeSource, config: FoundConfig, kubelet: KubeletPlaces, readers: Iterable[Reader]
) -> Snapshot:
    """Everything that the verbs read, unchanged. Raises RdmaDpError."""
    tree, netlink = RecordingTree(source.host.tree), RecordingNetlink(source.host.netlink)
    # A live node reads files to answer, kubelet's command line too. They are not recorded.
    answers = source.answers.ask(kubelet.root, kubelet.device_plugins)
    answers = replace(answers, about=answers.about or _about())
    node = NodeSource(Host(tree, netlink), answers, config)
    # `dry-run` and `cdi` need what a scan reads; a config decides only what they make of it.
    for reader in (_scan, *readers):
        with suppress(HostError):  # the snapshot gives the same error to the verbs
            reader(node, config)
    return Snapshot(tree.contents(), netlink.view(), answers, config, _versions(source))


def _scan(source: NodeSource, config: FoundConfig) -> None:  # noqa: ARG001 (a Reader)
    source.scan()


def _about() -> About:
    now = datetime.now(UTC).replace(microsecond=0)
    return About(__version__, now.isoformat(), as_root=os.geteuid() == 0)


def _versions(source: NodeSource) -> dict[str, str]:
    found = {"rdma-dp": __version__, "python": platform.python_version()}
    if source.host.live:
        found["kernel"] = platform.release()
    return found


# --- host names ---------------------------------------------------------------------------------

_HOST_NAME = re.compile(r"(?!localhost)[0-9A-Za-z][0-9A-Za-z._-]*")  # not "(none)"
_HOST_NAME_FILES = ("etc/hostname", "proc/sys/kernel/hostname")


def host_names(source: NodeSource) -> tuple[str, ...]:
    """The names of the node, from its files and from the node descriptions of its HCAs."""
    names = (name.strip() for name in _host_names(source))
    return tuple(dict.fromkeys(name for name in names if _HOST_NAME.fullmatch(name)))


def _host_names(source: NodeSource) -> Iterator[str]:
    for path in _HOST_NAME_FILES:
        yield source.host.read_or_none(path) or ""
    if source.host.live:
        yield socket.gethostname()
        yield os.environ.get(NODE_NAME, "")
    yield from _described_names(source.host)


def _described_names(host: Host) -> Iterator[str]:
    """rdma-ndd sets node_desc to "HOST HCA" (rdma-core rdma-ndd(8), default format "%h %d")."""
    try:
        hcas = host.entries(CLASS_INFINIBAND)
    except HostError:
        return
    for hca in hcas:
        words = (host.read_or_none(f"{CLASS_INFINIBAND}/{hca}/node_desc") or "").split()
        if len(words) == 2 and (words[1] == hca or words[1].startswith("HCA-")):
            yield words[0]
