"""`python -m tests.heavy.vm [--kernel RELEASE] [--arch amd64|arm64] [--core] [PYTEST ARGUMENT...]`

Runs tests/heavy/vm/inside on a real RDMA kernel. RELEASE is that of Debian: 12 or 13. `--core` runs
only the tests of discovery and events, and for arm64 those of allocation. Needs Debian on amd64.
Installs qemu and the verbs tools if it can, and unpacks promtool. Exits with pytest's code.
"""

import argparse
import logging
import signal
import sys
from collections.abc import Callable
from functools import partial

from tests.heavy import arm64, debian, suite
from tests.heavy.suite import CannotRunError
from tests.heavy.vm import foreign_root
from tests.heavy.vm import suite as in_vm
from tests.heavy.vm.kernel import RELEASES, foreign_kernel, kernel_of
from tests.paths import REPO

log = logging.getLogger("test-vm")

# Installed on the host. The VM shares its root.
PACKAGES = (
    *("qemu-system-x86", "ibverbs-utils", "ibverbs-providers", "iproute2", "kmod"),
    *("podman", "crun"),
)
FOREIGN_PACKAGES = ("qemu-system-arm", "mmdebstrap")
ENVIRONMENT = {
    "CONTAINERS_CONF": "/dev/null",  # podman runs with the suite's settings, not with the host's
}
TESTS = "tests/heavy/vm/inside"
CORE = ("discover", "nldev", "device_monitor", "hotplug", "modules", "quiet_changes")
SIW_ON = "13"  # the release for whose kernel siw is built


def main(words: list[str]) -> int:
    """Get the parts, boot and run the tests. If that is not possible, print the reason."""
    asked, more = _arguments().parse_known_args(words)
    foreign = asked.arch == arm64.FOREIGN
    core = (*CORE, "allocation") if foreign else CORE
    tests = [f"{TESTS}/test_{name}.py" for name in core] if asked.core else [TESTS]
    try:
        debian.check_host()
        boot = _foreign(asked.kernel) if foreign else _native(asked.kernel, core=asked.core)
    except CannotRunError as error:
        return suite.not_run(log, error)
    return boot(name="test-vm", arguments=[*tests, *more], memory=2560)


def _native(release: str, *, core: bool) -> Callable[..., int]:
    debian.install(PACKAGES)
    prometheus = debian.unpacked(("prometheus",), suite.cache("monitoring"))
    kernel = kernel_of(release, suite.cache("vm"), with_siw=release == SIW_ON and not core)
    path = f"{prometheus}/usr/bin:{in_vm.ENVIRONMENT['PATH']}"
    return partial(in_vm.run, kernel, environment={**ENVIRONMENT, "PATH": path}, timeout=1800.0)


def _foreign(release: str) -> Callable[..., int]:
    """The machine for arm64. Its files are not those of this host."""
    suite.need_root("a virtual machine for arm64")
    debian.install(FOREIGN_PACKAGES)
    return partial(
        in_vm.run,
        foreign_kernel(release, suite.cache("vm")),
        environment={**ENVIRONMENT, "PYTHONPATH": str(REPO)},
        timeout=3600.0,
        root=foreign_root.made(suite.cache("vm")),
        python=foreign_root.PYTHON,
    )


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tests.heavy.vm", allow_abbrev=False)
    parser.add_argument("--kernel", metavar="RELEASE", default="12", type=_release)
    parser.add_argument("--arch", choices=arm64.ARCHITECTURES, default=arm64.NATIVE)
    parser.add_argument("--core", action="store_true", help="only discovery and events")
    return parser


def _release(word: str) -> str:
    if word not in RELEASES:
        raise argparse.ArgumentTypeError(f"{word!r} is no Debian release to test: write 12 or 13")
    return word


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="test-vm: %(message)s")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main(sys.argv[1:]))
