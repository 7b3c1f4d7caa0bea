"""Go, on a machine without Go or with an old one."""

import json
import logging
import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.heavy import debian
from tests.heavy.suite import CannotRunError

log = logging.getLogger(__name__)

# What the newest sources require. An older Go (Debian 12 has 1.19) cannot build them, but it can
# fetch a newer one, which is a Go module.
NEEDED = (1, 23)
TOOLCHAIN = "golang.org/toolchain@v0.0.1-go1.24.0.linux-amd64"

ATTEMPTS = 3


def found() -> str:
    """Any Go: that of the machine, else Debian's."""
    places = os.pathsep.join((os.environ.get("PATH", ""), "/usr/local/go/bin"))
    go = shutil.which("go", path=places)
    if go is None:
        debian.check_host()
        debian.install(("golang-go",))
        go = shutil.which("go")
    if go is None:
        raise CannotRunError("there is no Go: install it")
    return go


def new_enough(go: str, cache: Path) -> str:
    """This Go, or a newer one from the module proxy if it is too old."""
    version = run(go, cache, "env", "GOVERSION", cwd=cache)
    numbers = re.match(r"go(\d+)\.(\d+)", version)
    if numbers and (int(numbers[1]), int(numbers[2])) >= NEEDED:
        return go
    log.info("%s is too old, fetching a newer one", version.strip())
    fetched = json.loads(run(go, cache, "mod", "download", "-json", TOOLCHAIN, cwd=cache))
    root = Path(fetched["Dir"])
    for directory in (root / "bin", root / "pkg" / "tool"):  # files from modules are not executable
        for program in directory.rglob("*"):
            program.chmod(0o755)
    return str(root / "bin" / "go")


def run(go: str, cache: Path, *arguments: str, cwd: Path, **environment: str) -> str:
    """Run go with caches below `cache`. It downloads, so it is tried again after a failure."""
    cache.mkdir(parents=True, exist_ok=True)
    own = {
        "GOMODCACHE": str(cache / "modules"),
        "GOCACHE": str(cache / "build"),
        "GOFLAGS": "-modcacherw",
        "GOTOOLCHAIN": "local",
    }
    return run_as_it_is(go, *arguments, cwd=cwd, **(own | environment))


def run_as_it_is(go: str, *arguments: str, cwd: Path, **environment: str) -> str:
    """As `run`, with the caches that Go has on this machine."""
    variables = os.environ | {"GOWORK": "off", "CGO_ENABLED": "0"} | environment
    variables.pop("GOROOT", None)
    complaint = ""
    for attempt in range(1, ATTEMPTS + 1):
        done = subprocess.run(
            (go, *arguments), cwd=cwd, env=variables, capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            return done.stdout
        complaint = " ".join((done.stderr or done.stdout).split()[-60:])
        log.info("attempt %d: %s", attempt, complaint)
    raise CannotRunError(f"`go {' '.join(arguments)}` failed: {complaint}")
