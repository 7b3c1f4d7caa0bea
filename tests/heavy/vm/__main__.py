"""`python -m tests.heavy.vm [--kernel RELEASE] [--core] [PYTEST ARGUMENT...]`

Runs tests/heavy/vm/inside on a real RDMA kernel. RELEASE is that of Debian: 12 or 13. `--core` runs
only the tests of discovery and events. Needs Debian on amd64. Installs qemu and the verbs tools if
it can, and unpacks promtool. Exits with pytest's code.
"""

import argparse
import logging
import signal
import sys

from tests.heavy import debian, suite
from tests.heavy.suite import CannotRunError
from tests.heavy.vm import suite as in_vm
from tests.heavy.vm.kernel import RELEASES, kernel_of

log = logging.getLogger("test-vm")

# Installed on the host. The VM shares its root.
PACKAGES = (
    *("qemu-system-x86", "ibverbs-utils", "ibverbs-providers", "iproute2", "kmod"),
    *("podman", "crun"),
)
ENVIRONMENT = {
    "CONTAINERS_CONF": "/dev/null",  # podman runs with the suite's settings, not with the host's
}
TESTS = "tests/heavy/vm/inside"
CORE = ("discover", "nldev", "device_monitor", "hotplug", "modules", "quiet_changes")
SIW_ON = "13"  # the release for whose kernel siw is built


def main(words: list[str]) -> int:
    """Get the parts, boot and run the tests. If that is not possible, print the reason."""
    asked, more = _arguments().parse_known_args(words)
    tests = [f"{TESTS}/test_{name}.py" for name in CORE] if asked.core else [TESTS]
    try:
        debian.check_host()
        debian.install(PACKAGES)
        prometheus = debian.unpacked(("prometheus",), suite.cache("monitoring"))
        kernel = kernel_of(
            asked.kernel,
            suite.cache("vm"),
            with_siw=asked.kernel == SIW_ON and not asked.core,
        )
    except CannotRunError as error:
        return suite.not_run(log, error)
    return in_vm.run(
        kernel,
        "test-vm",
        [*tests, *more],
        environment={**ENVIRONMENT, "PATH": f"{prometheus}/usr/bin:{in_vm.ENVIRONMENT['PATH']}"},
        timeout=1800.0,
        memory=2560,
    )


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tests.heavy.vm", allow_abbrev=False)
    parser.add_argument("--kernel", metavar="RELEASE", default="12", type=_release)
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
