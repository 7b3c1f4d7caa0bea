"""Go programs from source, on a machine that may have no Go, or an old one."""

import hashlib
import json
import logging
import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.vm import debian
from tests.vm.debian import CannotRunError

log = logging.getLogger(__name__)

# Name of the program: the file that says which modules it takes, and build tags. The first takes
# the library from when CDI 0.5.0 was the newest, the second the newest library.
PROGRAMS = {"oldest": ("oldest.mod", "oldest"), "newest": ("go.mod", "")}

# What the newest library asks for. An older Go (Debian 12 has 1.19) cannot build it, but can fetch
# a newer one, which is a module like others.
NEEDED = (1, 23)
TOOLCHAIN = "golang.org/toolchain@v0.0.1-go1.24.0.linux-amd64"

ATTEMPTS = 3


def build(sources: Path, cache: Path) -> Path:
    """A directory with the programs; built once for each state of their sources."""
    directory = cache / "bin" / _digest(sources)
    missing = [name for name in PROGRAMS if not (directory / name).exists()]
    if missing:
        go = _new_enough(_found(), cache)
        directory.mkdir(parents=True, exist_ok=True)
        for name in missing:
            modules, tags = PROGRAMS[name]
            made = directory / f".{name}"
            options = (f"-modfile={modules}", f"-tags={tags}", "-trimpath", "-buildvcs=false")
            log.info("building %s with %s", name, go)
            _go(go, cache, "build", *options, "-o", str(made), ".", cwd=sources)
            made.rename(directory / name)
    return directory


def _digest(sources: Path) -> str:
    files = sorted(each for each in sources.iterdir() if each.is_file())
    return hashlib.sha256(b"".join(each.read_bytes() for each in files)).hexdigest()[:16]


def _found() -> str:
    """Any Go: the machine's own, else Debian's."""
    places = os.pathsep.join((os.environ.get("PATH", ""), "/usr/local/go/bin"))
    go = shutil.which("go", path=places)
    if go is None:
        debian.check_host()
        debian.install(("golang-go",))
        go = shutil.which("go")
    if go is None:
        raise CannotRunError("there is no Go: install it")
    return go


def _new_enough(go: str, cache: Path) -> str:
    version = _go(go, cache, "env", "GOVERSION", cwd=cache)
    numbers = re.match(r"go(\d+)\.(\d+)", version)
    if numbers and (int(numbers[1]), int(numbers[2])) >= NEEDED:
        return go
    log.info("%s is too old, fetching a newer one", version.strip())
    fetched = json.loads(_go(go, cache, "mod", "download", "-json", TOOLCHAIN, cwd=cache))
    root = Path(fetched["Dir"])
    for directory in (root / "bin", root / "pkg" / "tool"):  # modules have no executable files
        for program in directory.rglob("*"):
            program.chmod(0o755)
    return str(root / "bin" / "go")


def _go(go: str, cache: Path, *arguments: str, cwd: Path) -> str:
    """Runs go, again when it fails: it downloads, and networks do fail."""
    cache.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {
        "GOMODCACHE": str(cache / "modules"),
        "GOCACHE": str(cache / "build"),
        "GOFLAGS": "-modcacherw",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "CGO_ENABLED": "0",
    }
    environment.pop("GOROOT", None)
    done = None
    for _attempt in range(ATTEMPTS):
        done = subprocess.run(
            (go, *arguments), cwd=cwd, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            return done.stdout
    complaint = " ".join(done.stderr.split()[-60:]) if done else ""
    raise CannotRunError(f"`go {' '.join(arguments)}` failed: {complaint}")
