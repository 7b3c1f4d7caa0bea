"""What the operator's pod and its init container need in the image, and what must not be in it."""

import struct

from rdma_dp import __version__
from tests.heavy.arm64 import FOREIGN, NATIVE
from tests.heavy.image.builder import BASE, IMAGE, Image
from tests.paths import REPO

MEGABYTE = 1_000_000
# EM_X86_64 and EM_AARCH64, of the kernel's include/uapi/linux/elf-em.h.
MACHINES = {NATIVE: 0x3E, FOREIGN: 0xB7}
# The largest page of a kernel: nodes with Grace run kernels with 64 KiB, as gb300.yaml does.
PAGES = {NATIVE: 4 << 10, FOREIGN: 64 << 10}


def test_the_operators_path_is_the_daemon(image: Image) -> None:
    shown = image.run("/bin/k8s-rdma-shared-dp", "--version")
    assert (shown.returncode, shown.stdout.split()[:2]) == (0, ["rdma-dp", __version__])


def test_the_init_container_of_older_operators_finds_its_programs(image: Image) -> None:
    command = "for program in sh lsmod grep sleep; do command -v $program || exit 1; done"
    found = image.run("sh", "-c", command)
    assert found.returncode == 0
    assert len(found.stdout.split()) == 4


def test_the_daemon_runs_from_it(image: Image) -> None:
    demo = image.demo(REPO)
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "kubelet counts 63 of 63 healthy" in demo.stdout


def test_the_simulator_is_not_in_it(image: Image) -> None:
    assert image.run("/opt/rdma-dp/bin/python", "-c", "import simulator").returncode != 0


def test_uevents_have_their_library(image: Image) -> None:
    assert (
        image.run("/opt/rdma-dp/bin/python", "-c", "import pyudev; pyudev.Context()").returncode
        == 0
    )


def test_every_module_is_compiled(image: Image) -> None:
    count = "cd /opt/rdma-dp; find . -name '*.py' | wc -l; find . -name '*.pyc' | wc -l"
    sources, compiled = image.run("sh", "-c", count).stdout.split()
    assert int(sources) == int(compiled) > 0


def test_it_holds_neither_pip_nor_a_compiler(image: Image) -> None:
    for program in ("/opt/rdma-dp/bin/pip", "gcc", "cc"):
        assert image.run("sh", "-c", f"command -v {program}").returncode != 0
    assert image.run("/opt/rdma-dp/bin/python", "-c", "import pip").returncode != 0


def test_it_adds_less_than_150_megabytes_to_its_base(image: Image) -> None:
    assert image.size(IMAGE) - image.size(BASE) < 150 * MEGABYTE


def test_every_library_loads_on_a_kernel_with_the_largest_pages(image: Image) -> None:
    """The kernel and the loader refuse a segment that is aligned to less than a page."""
    libraries = [*(image.root / "opt/rdma-dp").rglob("*.so*")]
    assert len(libraries) > 10
    for library in libraries:
        machine, alignments = _loaded(library.read_bytes())
        assert machine == MACHINES[image.architecture], library
        assert min(alignments) >= PAGES[image.architecture], library


def _loaded(elf: bytes) -> tuple[int, list[int]]:
    """The machine, and the alignment of each loaded segment (PT_LOAD is 1). man 5 elf."""
    [machine] = struct.unpack_from("<H", elf, 18)
    [start] = struct.unpack_from("<Q", elf, 32)
    size, count = struct.unpack_from("<HH", elf, 54)
    segments = struct.iter_unpack("<II6Q", elf[start : start + size * count])
    return machine, [alignment for kind, *_, alignment in segments if kind == 1]
