"""`python -m tests.heavy.node.kubelets [OPTION...] [VERSION...] [-- PYTEST ARGUMENT...]`

Runs the tests without a cluster on each kubelet VERSION with each containerd. Builds both once.
`--core` runs only the tests of devices, restarts, replacement and the upgrade from the Go plugin.
Exits with 1 if one failed.
"""

import argparse
import itertools
import logging
import re
import signal
import sys
import time
from pathlib import Path

from tests.heavy import suite
from tests.heavy.node import programs, results, running
from tests.heavy.suite import CannotRunError
from tests.paths import REPO

log = logging.getLogger("test-kubelets")

# The last patch release of each minor release, as far as its modules are published.
VERSIONS = (
    *("1.28.15", "1.29.15", "1.30.14", "1.31.14", "1.32.13", "1.33.13", "1.34.9", "1.35.4"),
    programs.KUBELET.version.removeprefix("v"),
)
SHORT = {"1.7": programs.CONTAINERD.version.removeprefix("v"), "2": "2.2.9"}  # of containerd
ALONE = Path("tests/heavy/node/alone")
CORE = ("devices", "restarts", "replacement", "upgrade")


def main(words: list[str]) -> int:
    """Run the tests on each pair, and say which ran."""
    split = words.index("--") if "--" in words else len(words)
    asked, more = _arguments().parse_args(words[:split]), words[split + 1 :]
    tests = [str(ALONE / f"test_{name}.py") for name in CORE] if asked.core else [str(ALONE)]
    said: list[str] = []
    passed = failed = skipped = 0
    for kubelet, containerd in itertools.product(asked.versions, asked.containerd):
        name, began = f"kubelet {kubelet}, containerd {containerd}", time.monotonic()
        try:
            built = _built(kubelet, containerd)
        except CannotRunError as error:
            wrong = suite.not_run(log, CannotRunError(f"{name}: {error}"))
            failed, skipped = failed + wrong, skipped + 1 - wrong
            said.append(f"not run  {name}: {error}")
            continue
        prepared = time.monotonic()
        log.info("%s", name)
        code = running.tests(built, [*tests, *more], {results.FILE: str(asked.results.absolute())})
        passed, failed = passed + (code == 0), failed + (code != 0)
        took = f"built in {prepared - began:.0f} s, ran {time.monotonic() - prepared:.0f} s"
        said.append(f"{'FAILED' if code else 'passed'}   {name}: {took}")
    print("\n".join(("", *said, f"{passed} passed, {failed} failed, {skipped} skipped")))  # noqa: T201
    return 1 if failed else 0


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
    parser.add_argument("--core", action="store_true", help="only the core tests")
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
