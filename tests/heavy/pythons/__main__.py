"""`python -m tests.heavy.pythons [VERSION...] [-- PYTEST ARGUMENT...]`: test on each Python.

A VERSION is 3.11, or "image" for that of the image; without one, all are run. Each has a virtual
environment in build/pythons with the locked dependencies. Exits with 1 if one failed.
"""

import hashlib
import logging
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from tests.heavy import suite
from tests.heavy.pythons import debian_root, interpreters
from tests.heavy.suite import CannotRunError
from tests.paths import REPO

log = logging.getLogger("test-pythons")

LOCK = REPO / "requirements-dev.lock"
TESTS = ("-n", "3", "tests/unit", "tests/integration/daemon")


def main(words: list[str]) -> int:
    """Run the tests on each Python, and say which ran and which this machine lacks."""
    own, more = suite.split(words)
    image = interpreters.of_image((REPO / "Dockerfile").read_text())
    asked = [image if word == "image" else word for word in own] or interpreters.VERSIONS
    tests = more or list(TESTS)
    return suite.run_each(
        log, [(f"Python {version}", partial(_tested, version, tests)) for version in asked]
    )


def _tested(version: str, tests: list[str]) -> tuple[int, str]:
    """Pytest's exit code, and a line with the Python and where it is from."""
    began = time.monotonic()
    interpreter = interpreters.found(version)
    enter: tuple[str, ...] = ()
    if interpreter is None:
        root = debian_root.made(version)
        enter = debian_root.entering(root, REPO)
        where = f"{version} of Debian {debian_root.RELEASES[version]}"
        program = Path("/usr/bin", f"python{version}")
    else:
        where, program = f"{interpreter.version}, {interpreter.program}", interpreter.program
    log.info("Python %s", where)
    python = _environment(where, program, enter)
    pytest = (*enter, str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests)
    code = subprocess.run(pytest, cwd=REPO, check=False).returncode
    return code, f"Python {where}, {time.monotonic() - began:.0f} s"


def _environment(where: str, program: Path, enter: tuple[str, ...]) -> Path:
    """The Python of a virtual environment with what the lock holds. It is kept while that is."""
    digest = hashlib.sha256(f"{where}\n".encode() + LOCK.read_bytes()).hexdigest()[:12]
    place = REPO / "build" / "pythons" / digest
    python, stamp = place / "bin" / "python", place / "complete"
    if not stamp.exists():
        shutil.rmtree(place, ignore_errors=True)
        pip = (*enter, str(python), "-m", "pip", "--quiet", "install")
        _prepare(*enter, str(program), "-m", "venv", str(place))
        _prepare(*pip, "--require-hashes", "-r", str(LOCK))
        _prepare(*pip, "--no-deps", "--no-build-isolation", "--no-index", "--editable", str(REPO))
        stamp.touch()
    return python


def _prepare(*command: str) -> None:
    for _attempt in range(3):  # a download can fail
        done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
    complaint = " ".join((done.stderr or done.stdout).split()[-60:])
    raise CannotRunError(f"`{' '.join(command[-6:])}` failed: {complaint}")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="test-pythons: %(message)s")
    sys.exit(main(sys.argv[1:]))
