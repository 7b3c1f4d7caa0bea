"""A kernel's modules and a static busybox, packed as an initramfs."""

import gzip
import lzma
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

# In the order of loading. Each comes after the modules that it needs.
MODULES = (
    "virtio_pci",
    "virtio_console",
    "virtio_net",
    "9pnet_virtio",
    "9p",
    "overlay",
    "dummy",
    "veth",
    "bonding",
    "8021q",
    "macvlan",
    "ib_uverbs",
    "ib_umad",
    "rdma_ucm",
    "rdma_rxe",
)
# rxe and siw ask the crypto API for them by name, so no dependency shows them. Newer kernels do not
# have them.
OPTIONAL_MODULES = ("crc32_generic", "crc32c_generic")
# For the tests, which load it. See siw.py.
SPARE_MODULE = "siw"


def build(init: Path, busybox: Path, modules: Path) -> bytes:
    """The gzipped cpio archive. `modules` is the kernel's directory in lib/modules."""
    spare = (SPARE_MODULE,) if any(modules.rglob(f"{SPARE_MODULE}.ko*")) else ()
    packed = list(load_order(modules, (*MODULES, *OPTIONAL_MODULES, *spare)))
    order = "".join(f"{name}.ko\n" for name, _ in packed if name not in spare)
    entries = [
        ("bin", stat.S_IFDIR | 0o755, b""),
        ("bin/busybox", stat.S_IFREG | 0o755, busybox.read_bytes()),
        ("bin/sh", stat.S_IFLNK | 0o777, b"busybox"),
        ("init", stat.S_IFREG | 0o755, init.read_bytes()),
        ("modules", stat.S_IFDIR | 0o755, b""),
        ("modules/order", stat.S_IFREG | 0o644, order.encode()),
        *((f"modules/{name}.ko", stat.S_IFREG | 0o644, data) for name, data in packed),
    ]
    return gzip.compress(b"".join(_cpio(entries)), compresslevel=1)


def load_order(modules: Path, wanted: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Name and content of every module to load, dependencies first.

    Raises FileNotFoundError when the kernel has no such module.
    """
    files = {_name(path): path for path in modules.rglob("*.ko*")}
    builtin = (modules / "modules.builtin").read_text().splitlines()
    settled = {_name(Path(line)) for line in builtin} | set(OPTIONAL_MODULES) - files.keys()

    def load(name: str) -> Iterator[tuple[str, bytes]]:
        if name in settled:
            return
        settled.add(name)
        if name not in files:
            raise FileNotFoundError(f"{modules} has no module {name}")
        data = _content(files[name])
        for dependency in _dependencies(data):
            yield from load(dependency)
        yield name, data

    for name in wanted:
        yield from load(name)


def _name(path: Path) -> str:
    return path.name.split(".")[0].replace("-", "_")


def _content(path: Path) -> bytes:
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def _dependencies(module: bytes) -> list[str]:
    """The dependencies in the module's .modinfo section: zero-terminated `depends=a,b`."""
    found = re.search(rb"\0depends=([^\0]*)\0", module)
    names = found[1].decode().split(",") if found else []
    return [name.replace("-", "_") for name in names if name]


def _cpio(entries: Iterable[tuple[str, int, bytes]]) -> Iterator[bytes]:
    """The archive in "newc" format (kernel Documentation/driver-api/early-userspace)."""
    for inode, (name, mode, data) in enumerate([*entries, ("TRAILER!!!", 0, b"")], start=1):
        path = name.encode() + b"\0"
        numbers = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)
        yield _padded(b"070701" + b"".join(b"%08x" % n for n in numbers) + path)
        yield _padded(data)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
