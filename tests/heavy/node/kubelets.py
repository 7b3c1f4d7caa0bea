"""`python -m tests.heavy.node.kubelets [OPTION...] [VERSION...] [-- PYTEST ARGUMENT...]`

Runs the tests without a cluster on each kubelet VERSION with each containerd. Builds both once.
`--core` runs those marked so: a few of devices, CDI, health, restarts, replacement and the upgrade
from the Go plugin. Exits with 1 if one failed.
"""

import argparse
import itertools
import logging
import re
import signal
import sys
import time
from functools import partial
from pathlib import Path

from tests.heavy import suite
from tests.heavy.node import programs, results, running
from tests.paths import REPO

log = logging.getLogger("test-kubelets")

# The last patch release of each minor release of which the module proxy has every module. For
# 1.31.14 it lacks k8s.io/kube-scheduler v0.31.14.
VERSIONS = (
    *("1.28.15", "1.29.15", "1.30.14", "1.31.13", "1.32.13", "1.33.13", "1.34.12", "1.35.6"),
    programs.KUBELET.version.removeprefix("v"),
    "1.37.2",
)
SHORT = {"1.7": programs.CONTAINERD.version.removeprefix("v"), "2": "2.2.9"}  # of containerd
TESTS = "tests/heavy/node/alone"


def main(words: list[str]) -> int:
    """Run the tests on each pair, and say which ran."""
    own, more = suite.split(words)
    asked = _arguments().parse_args(own)
    tests = [TESTS, "--core"] if asked.core else [TESTS]
    results_file = {results.FILE: str(asked.results.absolute())}

    def tested(kubelet: str, containerd: str) -> tuple[int, str]:
        name, began = _name(kubelet, containerd), time.monotonic()
        built = _built(kubelet, containerd)
        prepared = time.monotonic()
        log.info("%s", name)
        code = running.tests(built, [*tests, *more], results_file)
        took = f"built in {prepared - began:.0f} s, ran {time.monotonic() - prepared:.0f} s"
        return code, f"{name}: {took}"

    pairs = itertools.product(asked.versions, asked.containerd)
    return suite.run_each(log, [(_name(*pair), partial(tested, *pair)) for pair in pairs])


def _name(kubelet: str, containerd: str) -> str:
    return f"kubelet {kubelet}, containerd {containerd}"


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tests.heavy.node.kubelets")
    parser.add_argument("versions", nargs="*", metavar="VERSION", default=VERSIONS, type=_release)
    parser.add_argument(
        "--containerd",
        metavar="VERSIONS",
        default="1.7",
        type=_runtimes,
        help=f"one or more, separated by spaces, or short: {SHORT}",
    )
    parser.add_argument("--core", action="store_true", help="only the tests marked core")
    parser.add_argument(
        "--results",
        type=Path,
        default=REPO / "build" / "compatibility.json",
        help="the file to write the results into",
    )
    return parser


def _release(word: str) -> str:
    if not re.fullmatch(r"\d+\.\d+\.\d+", word):
        raise argparse.ArgumentTypeError(f"{word!r} is no release: write one such as 1.28.15")
    return word


def _runtimes(words: str) -> list[str]:
    return [_release(SHORT.get(word, word)) for word in words.split()]


def _built(kubelet: str, containerd: str) -> list[Path]:
    running.prepare_machine()
    sources = (
        programs.KUBELET.at(kubelet),
        programs.containerd(containerd),
        programs.GO_PLUGIN,
    )
    return [programs.build(source, suite.cache("node")) for source in sources]


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="test-kubelets: %(message)s")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main(sys.argv[1:]))
