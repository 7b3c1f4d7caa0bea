"""Takes a snapshot: looks at a node as the verbs do, and keeps all that they read.

Nothing is read for the snapshot's own sake, but for the names that are to be replaced in it.
"""

import os
import platform
import re
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from rdma_dp import __version__
from rdma_dp.config.loading import FoundConfig
from rdma_dp.discovery import scan
from rdma_dp.discovery.hcas import netdevs_of
from rdma_dp.host.files import Host, HostError
from rdma_dp.host.netlink import rdma
from rdma_dp.host.netlink.links import query_altnames
from rdma_dp.host.netlink.values import NetlinkView
from rdma_dp.host.paths import CLASS_INFINIBAND
from rdma_dp.node.answers import About, Answers
from rdma_dp.node.snapshot import archive_writing
from rdma_dp.node.snapshot.anonymous import Anonymous, anonymous
from rdma_dp.node.snapshot.model import Snapshot
from rdma_dp.node.snapshot.recording import RecordingTree
from rdma_dp.node.source import NodeSource


@dataclass(frozen=True, slots=True)
class Taken:
    """`packed` is the archive, `files` how many of the node's are in it.

    `anonymity` is None for a raw one.
    """

    packed: bytes
    files: int
    anonymity: Anonymous | None


Ask = Callable[[Host], Answers]


# Reads of a node what some verb reads of it.
Reader = Callable[[NodeSource, FoundConfig], object]


def take(
    root: NodeSource,
    config: FoundConfig,
    ask: Ask,
    readers: Iterable[Reader],
    *,
    raw: bool,
    hide: Iterable[str] = (),
) -> Taken:
    """The snapshot of a node as an archive. Raises RdmaDpError.

    `ask` asks this machine what stands in no file; another host's answers are those that it has.
    `readers` read what the verbs read beyond a scan. `hide` are names that are replaced as those of
    hosts are.
    """
    snapshot = look(root, config, ask, readers)
    anonymity = None if raw else anonymous(snapshot, [*host_names(root), *hide])
    if anonymity is not None:
        snapshot = anonymity.snapshot
    packed = archive_writing.pack(snapshot)
    return Taken(packed, len(snapshot.contents.entries), anonymity)


def look(root: NodeSource, config: FoundConfig, ask: Ask, readers: Iterable[Reader]) -> Snapshot:
    """Everything that the verbs read, as it is. Raises RdmaDpError."""
    recording = RecordingTree(root.host.tree)
    host = Host(recording)
    # Whoever asks reads files of its own, kubelet's command line too: they are not recorded.
    answers = root.answers or replace(ask(root.host), netlink=_netlink(host))
    answers = replace(answers, about=answers.about or _about())
    node = NodeSource(host, answers, config)
    # `dry-run` and `cdi` need what a scan reads; a config decides only what they make of it.
    for reader in (_scan, *readers):
        with suppress(HostError):  # it will be met again by whoever looks at the snapshot
            reader(node, config)
    return Snapshot(recording.contents(), answers, config, _versions(root))


def _scan(root: NodeSource, config: FoundConfig) -> None:  # noqa: ARG001 (the same for all readers)
    root.scan()


# --- what no file tells -------------------------------------------------------------------------


def _netlink(host: Host) -> NetlinkView:
    view = rdma.query() or NetlinkView()
    try:
        hcas = scan(host, view).hcas
    except HostError:
        return view
    return replace(view, altnames=query_altnames(netdevs_of(hcas)))


def _about() -> About:
    now = datetime.now(UTC).replace(microsecond=0)
    return About(__version__, now.isoformat(), as_root=os.geteuid() == 0)


def _versions(root: NodeSource) -> dict[str, str]:
    found = {"rdma-dp": __version__, "python": platform.python_version()}
    if root.host.live:
        found["kernel"] = platform.release()
    return found


# --- names of hosts -----------------------------------------------------------------------------

_HOST_NAME = re.compile(r"(?!localhost)[0-9A-Za-z][0-9A-Za-z._-]*")  # not "(none)"
_HOST_NAME_FILES = ("etc/hostname", "proc/sys/kernel/hostname")


def host_names(root: NodeSource) -> tuple[str, ...]:
    """What the node is called, as far as it says, and what its HCAs call it."""
    names = (name.strip() for name in _host_names(root))
    return tuple(dict.fromkeys(name for name in names if _HOST_NAME.fullmatch(name)))


def _host_names(root: NodeSource) -> Iterator[str]:
    for path in _HOST_NAME_FILES:
        yield root.host.read_or_none(path) or ""
    if root.host.live:
        yield socket.gethostname()
        yield os.environ.get("NODE_NAME", "")  # as deploy/ sets it, if it does
    yield from _described_names(root.host)


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
