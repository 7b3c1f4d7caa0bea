"""The running kernel: its release, its build options and its symbols, from every file with them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from rdma_dp.host.files import Host, HostError
from rdma_dp.host.paths import KERNEL_RELEASE
from rdma_dp.inventory.gpudirect_support import FIRST_WITH_DMABUF, linux_version

P2PDMA, MOVE_NOTIFY = "PCI_P2PDMA", "DMABUF_MOVE_NOTIFY"
ON_DEMAND_PAGING = "INFINIBAND_ON_DEMAND_PAGING"
OPTIONS = (P2PDMA, MOVE_NOTIFY, ON_DEMAND_PAGING)

# The files with the options of a release: of the running kernel, then of Debian, Red Hat, SUSE,
# Fedora CoreOS, and the headers of Debian and Red Hat.
CONFIG_FILES = (
    "proc/config.gz",
    "boot/config-{}",
    "lib/modules/{}/config",
    "usr/lib/modules/{}/config",
    "usr/lib/kernel/config-{}",
    "usr/lib/ostree-boot/config-{}",
    "usr/src/linux-headers-{}/.config",
    "usr/src/kernels/{}/.config",
)
_SYMBOLS = "proc/kallsyms"

# What shows in the symbols that an option is set. RCCL and perftest look for the same.
_SYMBOL_OF_OPTION = {P2PDMA: "pci_p2pdma_", MOVE_NOTIFY: "dma_buf_move_notify"}
_REGISTERS_DMABUF = "_reg_user_mr_dmabuf"  # the end of the name in every driver
_CORE_DMABUF = "ib_umem_dmabuf_get"
_PEER_MEMORY = "ib_register_peer_memory_client"  # not in the kernel of kernel.org

# Red Hat has added it to older kernels.
_BACKPORTS = re.compile(r"\.el[89]")


@dataclass(frozen=True, slots=True)
class Kernel:
    """What is known of a kernel.

    `options` maps build options to whether they are set; one that is missing is not known.
    `source` is where they are from. `symbols` are the functions that matter here, and
    `dmabuf_modules` the modules with a function that registers DMA-BUF memory, as far as
    /proc/kallsyms lists them.
    """

    release: str | None = None
    options: Mapping[str, bool] = field(default_factory=lambda: MappingProxyType({}))
    source: str | None = None
    symbols: frozenset[str] = frozenset()
    dmabuf_modules: frozenset[str] = frozenset()

    @property
    def version(self) -> tuple[int, int] | None:
        """(6, 8) for "6.8.0-60-generic"; None if the release is not known."""
        return linux_version(self.release)

    @property
    def has_dmabuf(self) -> bool | None:
        """Whether its RDMA core can register DMA-BUF memory; None if that is not known."""
        if _CORE_DMABUF in self.symbols:
            return True
        if self.version is None:
            return None
        if self.version >= FIRST_WITH_DMABUF:
            return True
        return None if self.has_backports else False

    @property
    def has_backports(self) -> bool:
        """Whether it may have RDMA code of newer versions than its own."""
        return _BACKPORTS.search(self.release or "") is not None

    @property
    def has_peer_memory(self) -> bool | None:
        """Whether its RDMA core has the interface of nvidia_peermem; None if not known."""
        return _PEER_MEMORY in self.symbols if self.symbols else None


def read_kernel(host: Host) -> Kernel:
    """The facts about the kernel. What cannot be read is not known."""
    release = host.read_or_none(KERNEL_RELEASE)
    symbols, modules = _symbols(host)
    options, source = _options_in_files(host, release)
    if source is None and symbols:
        options, source = _options_by(symbols), f"/{_SYMBOLS}"
    return Kernel(release, MappingProxyType(options), source, symbols, modules)


def _options_in_files(host: Host, release: str | None) -> tuple[dict[str, bool], str | None]:
    words = tuple(f"CONFIG_{option}" for option in OPTIONS)
    for pattern in CONFIG_FILES:
        if "{}" in pattern and not _is_a_name(release):
            continue
        path = pattern.format(release)
        lines = _lines(host, path, words)
        if lines:
            return _options(lines), f"/{path}"
    return {}, None


def _is_a_name(release: str | None) -> bool:
    return release is not None and "/" not in release and release not in ("", ".", "..")


def _lines(host: Host, path: str, words: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return host.lines_with(path, words) or ()
    except (HostError, ValueError):  # ValueError: no file has such a name
        return ()


def _options(lines: tuple[str, ...]) -> dict[str, bool]:
    """The options by the lines of a config.

    A config does not name an option that cannot be set: P2PDMA is off then. The others are not
    known, because a kernel that always has them does not name them.
    """
    named = {
        option: not line.startswith("#")
        for line in lines
        for option in OPTIONS
        if re.fullmatch(rf"CONFIG_{option}=[ym]|# CONFIG_{option} is not set", line.strip())
    }
    return {P2PDMA: False, **named}


def _options_by(symbols: frozenset[str]) -> dict[str, bool]:
    return {
        option: any(name.startswith(begin) for name in symbols)
        for option, begin in _SYMBOL_OF_OPTION.items()
    }


def _symbols(host: Host) -> tuple[frozenset[str], frozenset[str]]:
    """The functions, and the modules that register DMA-BUF memory.

    A line has an address, a type, a name and, for a module, "[module]" (kernel kernel/kallsyms.c,
    s_show).
    """
    words = (*_SYMBOL_OF_OPTION.values(), _REGISTERS_DMABUF, _CORE_DMABUF, _PEER_MEMORY)
    lines = [line.split() for line in _lines(host, _SYMBOLS, words)]
    names = frozenset(columns[2] for columns in lines if len(columns) > 2)
    modules = frozenset(
        columns[3].strip("[]")
        for columns in lines
        if len(columns) > 3 and columns[2].endswith(_REGISTERS_DMABUF)
    )
    return names, modules
