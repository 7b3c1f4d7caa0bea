"""Replaces everything in a snapshot that names its hardware, its network and its host. Pure."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from rdma_dp.config.loading import FoundConfig
from rdma_dp.host.environments import is_environment, without_secrets
from rdma_dp.host.paths import KERNEL_RELEASE
from rdma_dp.host.processes import CONTAINER_LOG
from rdma_dp.host.routes import with_addresses
from rdma_dp.kubelet.directories import WELL_KNOWN_ROOTS
from rdma_dp.kubelet.views import KubeletView
from rdma_dp.node.snapshot import pci_serials, reductions
from rdma_dp.node.snapshot.config_prose import without_prose
from rdma_dp.node.snapshot.contents import Contents, Directory, Entry, File, Symlink
from rdma_dp.node.snapshot.model import Snapshot
from rdma_dp.node.snapshot.name_pseudonyms import host_pattern
from rdma_dp.node.snapshot.pseudonyms import Pseudonyms
from rdma_dp.text import with_texts

_SWITCH_IDS = frozenset({"phys_switch_id", "phys_port_id"})
_NO_ADDRESSES = frozenset({"ipv4", "dotted"})
_NO_HOSTS = frozenset({"host", "domain"})

# Files in which four numbers with dots are a version, and files with fixed words of the kernel.
_KEPT_IN = {
    **dict.fromkeys(("fw_ver", "version", "srcversion", "osrelease"), _NO_ADDRESSES),
    **dict.fromkeys(("state", "phys_state", "link_layer", "rate", "node_type"), _NO_HOSTS),
    **dict.fromkeys(("operstate", "type", "mode", "netns_mode", "hca_type"), _NO_HOSTS),
}
_SHORTEST_HOST = 3

# Files of a PCI function that are not text. Elsewhere, "config" is the kernel's.
_OF_A_CARD: Mapping[str, Callable[[bytes], bytes]] = {
    "vpd": pci_serials.without_serials,
    "config": pci_serials.config_space_without_serials,
}


@dataclass(frozen=True, slots=True)
class Anonymous:
    """An anonymous snapshot. `counts` maps a kind of name to the number of names replaced.

    `unchanged` are host names that could not be replaced. `left_out` are files that are neither
    text nor of a known format, and so could hold any name.
    """

    snapshot: Snapshot
    counts: Mapping[str, int]
    unchanged: tuple[str, ...]
    left_out: tuple[str, ...]


def anonymous(snapshot: Snapshot, hosts: Iterable[str]) -> Anonymous:
    """The snapshot with pseudonyms. `hosts` are the names of this host and of others."""
    contents = snapshot.contents
    hosts = tuple(dict.fromkeys(filter(None, hosts)))
    unchanged = tuple(host for host in hosts if _means_more(host, contents.entries))
    pseudonyms = Pseudonyms(
        _texts(snapshot),
        (host for host in hosts if host not in unchanged),
        unchanged,
        _kubelets_directories(snapshot.answers.kubelet),
    )
    left_out = tuple(p for p, e in contents.entries.items() if _is_binary(p, e))
    made = Snapshot(
        contents=_contents(contents, pseudonyms, frozenset(left_out)),
        netlink=with_texts(snapshot.netlink, pseudonyms.text),
        answers=with_texts(snapshot.answers, pseudonyms.text),
        config=_config(snapshot.config, pseudonyms),
        versions={n: pseudonyms.text(v, keep=_NO_ADDRESSES) for n, v in snapshot.versions.items()},
        raw=False,
    )
    return Anonymous(made, pseudonyms.counts(), unchanged, left_out)


def _contents(contents: Contents, pseudonyms: Pseudonyms, binary: frozenset[str]) -> Contents:
    release = _release(contents)

    def path(found: str) -> str:
        # "config-5.10.0-60.18.0.50.oe2203": the release is no address, here as in osrelease.
        parts = found.split("/")
        return "/".join(p if release and release in p else pseudonyms.path(p) for p in parts)

    def name(found: str) -> str:
        return pseudonyms.log_name(found) if CONTAINER_LOG.fullmatch(found) else path(found)

    def entry(where: str, found: Entry) -> Entry:
        match found:
            case File(content) if content is not None:
                return File(None if where in binary else _content(where, content, pseudonyms))
            case Symlink(target):
                return Symlink(path(target))
            case Directory(names) if names is not None:
                return Directory(tuple(sorted(map(name, names))))
            case _:
                return found

    return Contents(
        {path(where): entry(where, found) for where, found in contents.entries.items()},
        {(operation, path(where)): code for (operation, where), code in contents.failures.items()},
        {path(where): pseudonyms.text(target) for where, target in contents.magic_links.items()},
        frozenset(map(path, contents.deleted)),
    )


def _release(contents: Contents) -> str:
    entry = contents.entries.get(KERNEL_RELEASE)
    return _decoded(entry.content or b"").strip() if isinstance(entry, File) else ""


def _content(path: str, content: bytes, pseudonyms: Pseudonyms) -> bytes:
    name = path.rpartition("/")[2]
    if _is_of_a_card(path):
        return _OF_A_CARD[name](content)
    if is_environment(path):
        content = without_secrets(content)
    if (reduced := reductions.reduction(path, pseudonyms.process)) is not None:
        content = reduced(_decoded(content)).encode("utf-8", "surrogateescape")
    if name in _SWITCH_IDS:
        return pseudonyms.switch_id(_decoded(content)).encode("utf-8", "surrogateescape")
    if _is_routes(path):
        text = with_addresses(_decoded(content), pseudonyms.text)
        return pseudonyms.text(text).encode("utf-8", "surrogateescape")
    keep = _KEPT_IN.get(name, frozenset())
    return pseudonyms.text(_decoded(content), keep=keep).encode("utf-8", "surrogateescape")


def _config(config: FoundConfig | None, pseudonyms: Pseudonyms) -> FoundConfig | None:
    """The config, with the name of its file only: a directory can have a person's name."""
    if config is None:
        return None
    content = config.content
    if content is not None:
        text = without_prose(_decoded(content))
        content = pseudonyms.text(text).encode("utf-8", "surrogateescape")
    failure = config.failure and pseudonyms.text(config.failure)
    name = pseudonyms.text(config.file.name)
    return replace(config, file=Path(name), content=content, failure=failure)


def _kubelets_directories(view: KubeletView | None) -> Iterator[str]:
    """The directories of kubelet that are not where distributions keep them."""
    if view is None:
        return
    kept = list(WELL_KNOWN_ROOTS)
    for path in (view.root, *view.elsewhere, view.device_plugins, view.plugins_registry):
        if path.strip("/") and not any(f"{path}/".startswith(f"{each}/") for each in kept):
            kept.append(path)
            yield path


def _texts(snapshot: Snapshot) -> Iterator[str]:
    contents = snapshot.contents
    for path, entry in sorted(contents.entries.items()):
        yield from path.split("/")
        match entry:
            case File(content) if content is not None and not _is_of_a_card(path):
                text = _decoded(content)
                yield text
                if _is_routes(path):
                    yield from _addresses(text)
            case Symlink(target):
                yield from target.split("/")
            case Directory(names):
                yield from names or ()
    yield from contents.magic_links.values()
    in_answers: dict[str, str] = {}
    for value in (snapshot.netlink, snapshot.answers):
        with_texts(value, lambda text: in_answers.setdefault(text, text))
    yield from in_answers
    if snapshot.config is not None and snapshot.config.content is not None:
        yield _decoded(snapshot.config.content)


def _is_routes(path: str) -> bool:
    """Whether it is /proc/net/route, whose addresses are numbers."""
    return path.endswith("/net/route")


def _addresses(routes: str) -> Iterator[str]:
    found: dict[str, str] = {}
    with_addresses(routes, lambda address: found.setdefault(address, address))
    yield from found


def _is_of_a_card(path: str) -> bool:
    return path.startswith("sys/") and path.rpartition("/")[2] in _OF_A_CARD


def _is_binary(path: str, entry: Entry) -> bool:
    """Whether a file is not text. A text may be padded with NULs, as node_desc is."""
    if not isinstance(entry, File) or entry.content is None:
        return False
    if _is_of_a_card(path) or path.endswith("/node_desc") or is_environment(path):
        return False
    return b"\0" in entry.content.rstrip(b"\0\n")


def _means_more(host: str, paths: Iterable[str]) -> bool:
    """Whether a host name cannot be replaced: it is very short, a number, or also a file's name."""
    label = host.partition(".")[0]
    if len(label) < _SHORTEST_HOST or label.isdigit():
        return True
    return re.search(host_pattern([label]), "\n".join(paths)) is not None


def _decoded(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")
