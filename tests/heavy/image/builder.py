"""buildah without a daemon: a base from Debian's packages, then the project's Dockerfile."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from rdma_dp import __version__
from tests.heavy import arm64, debian, suite
from tests.heavy.arm64 import FOREIGN, NATIVE

BASE = "localhost/rdma-dp-test-base:latest"
IMAGE = "localhost/rdma-dp:test"
# its name in deploy/, in containerd's spelling
SHIPPED = f"docker.io/library/rdma-dp:{__version__}"
# The packages of python:3.12-slim that Debian's minimal variant lacks.
BASE_PACKAGES = ("python3", "python3-venv", "ca-certificates")
# The base for arm64 also has those that the Dockerfile adds: its apt is not configured. Debian's
# minimal variant has apt, and with it the library of C++.
FOREIGN_PACKAGES = (*BASE_PACKAGES, "apt", "kmod", "tini")
# The builder's own certificates: a build machine may reach its package index through a proxy.
CERTIFICATES = "/etc/ssl/certs"
TIMEOUT = 1200.0  # seconds for one step
_ENVIRONMENT = {"STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"}


class BuildError(Exception):
    """A step failed. The message has its output."""


@dataclass(frozen=True)
class Image:
    """An image in its own storage, and one container of it."""

    storage: Path
    container: str
    architecture: str = NATIVE

    def run(
        self, *command: str, mounts: Mapping[Path, str] = MappingProxyType({})
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the container, without the ENTRYPOINT, as the operator's pod does.

        `mounts` maps directories of this machine to paths in the container, read-only.
        """
        volumes = [
            word for here, there in mounts.items() for word in ("--volume", f"{here}:{there}:ro")
        ]
        if self.architecture == FOREIGN:
            # qemu-user lacks the prctl(2) that tini makes with this setting.
            command = ("env", "--unset=TINI_SUBREAPER", *command)
        return _buildah(self.storage, "run", *volumes, self.container, "--", *command, check=False)

    def demo(self, repository: Path) -> subprocess.CompletedProcess[str]:
        """The image's own daemon, with a simulated host and a simulated kubelet from outside."""
        command = "cd /demo && PYTHONPATH=/demo /opt/rdma-dp/bin/python -m simulator demo"
        return self.run("sh", "-c", command, mounts={repository / "simulator": "/demo/simulator"})

    @property
    def root(self) -> Path:
        """The root of the container's files on this machine."""
        return Path(_buildah(self.storage, "mount", self.container).stdout.strip())

    def size(self, name: str) -> int:
        """The size of an image in bytes, all layers."""
        found = _buildah(
            self.storage, "inspect", "--type", "image", "--format", "{{.FromImageID}}", name
        )
        root = container(self.storage, found.stdout.strip(), self.architecture).root
        used = subprocess.run(["du", "-sb", root], capture_output=True, text=True, check=True)
        return int(used.stdout.split()[0])


def build(storage: Path, repository: Path, architecture: str = NATIVE) -> Image:
    """Make the base and build the Dockerfile on it. Raises BuildError."""
    _make_base(storage, architecture)
    _buildah(
        storage,
        *("bud", "--pull-never", "--build-arg", f"BASE={BASE}", "--tag", IMAGE),
        *("--platform", f"linux/{architecture}"),
        *("--volume", f"{CERTIFICATES}:{CERTIFICATES}:ro", str(repository)),
    )
    return container(storage, IMAGE, architecture)


def container(storage: Path, name: str, architecture: str) -> Image:
    """A container of an image, or of the one for this architecture in a list of images."""
    made = _buildah(storage, "from", "--pull-never", "--arch", architecture, name)
    return Image(storage, made.stdout.strip(), architecture)


def for_other_programs(storage: Path, *architectures: str) -> dict[str, str]:
    """Make the base. Returns the variables with which build_image.sh builds on it."""
    _make_base(storage, *architectures)
    return _ENVIRONMENT | {
        "BUILDAH": " ".join(("buildah", *_where(storage))),
        "BASE": BASE,
        "IMAGE_OPTIONS": f"--pull-never --volume {CERTIFICATES}:{CERTIFICATES}:ro",
        "PLATFORMS": ",".join(f"linux/{architecture}" for architecture in architectures),
    }


def _make_base(storage: Path, *architectures: str) -> None:
    """One image, or a list of one for each architecture."""
    images = [_base_image(storage, architecture) for architecture in architectures]
    if len(images) == 1:
        _buildah(storage, "tag", images[0], BASE)
        return
    _buildah(storage, "manifest", "create", BASE)
    for image in images:
        _buildah(storage, "manifest", "add", BASE, image)


def _base_image(storage: Path, architecture: str) -> str:
    name = f"localhost/rdma-dp-test-base-{architecture}:latest"
    base = _base() if architecture == NATIVE else _foreign_base()
    scratch = _buildah(storage, "from", "--arch", architecture, "scratch").stdout.strip()
    _buildah(storage, "add", "--quiet", scratch, str(base), "/")
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    variables = {"PATH": path, "PIP_CERT": f"{CERTIFICATES}/ca-certificates.crt"}
    options = [f"--env={variable}={value}" for variable, value in variables.items()]
    _buildah(storage, "config", "--arch", architecture, *options, scratch)
    _buildah(storage, "commit", "--quiet", scratch, name)
    return name


def archive(repository: Path) -> Path:
    """The image as `docker save` writes it, under SHIPPED. It is built once for each content."""
    kept = _kept(repository)
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent, prefix="unfinished-") as directory:
            storage = Path(directory, "storage")
            try:
                build(storage, repository)
                keep(storage, repository)
            finally:
                remove(storage)
    return kept


def keep(storage: Path, repository: Path) -> None:
    """Keep the image for `archive`, instead of the one that was kept before."""
    kept = _kept(repository)
    with tempfile.TemporaryDirectory(dir=kept.parent, prefix="unfinished-") as directory:
        made = Path(directory, "image.tar")
        _buildah(storage, "push", "--quiet", IMAGE, f"docker-archive:{made}:{SHIPPED}")
        for old in kept.parent.glob("rdma-dp-*.tar"):
            old.unlink()
        made.rename(kept)


def _kept(repository: Path) -> Path:
    return suite.cache("image") / f"rdma-dp-{_digest(repository)}.tar"


def _digest(repository: Path) -> str:
    """A digest of all files that go into the image, according to .dockerignore."""
    ignored = (repository / ".dockerignore").read_text().split()
    parts = [repository / word[1:] for word in ignored if word.startswith("!")]
    files = [file for part in parts for file in (part.rglob("*") if part.is_dir() else [part])]
    digest = hashlib.sha256(SHIPPED.encode())
    for file in sorted([*files, repository / "Dockerfile", Path(__file__)]):
        if file.is_file() and file.suffix != ".pyc":
            digest.update(f"{file.relative_to(repository)}\n".encode() + file.read_bytes())
    return digest.hexdigest()[:12]


def remove(storage: Path) -> None:
    """Remove everything that was built."""
    _buildah(storage, "rm", "--all", check=False)
    _buildah(storage, "rmi", "--all", "--force", check=False)
    shutil.rmtree(storage, ignore_errors=True)


def _base() -> Path:
    """A tar of a minimal Debian. It is made once and kept outside the tree."""
    cache = suite.cache("image")
    tar = cache / "debian-base.tar"
    if not tar.exists():
        cache.mkdir(parents=True, exist_ok=True)
        made = tar.with_suffix(".new.tar")
        made.unlink(missing_ok=True)
        command = ["mmdebstrap", "--variant=minbase", f"--include={','.join(BASE_PACKAGES)}"]
        command.append(debian.codename())
        for attempt in range(3):
            done = subprocess.run(
                [*command, str(made)], capture_output=True, text=True, timeout=TIMEOUT, check=False
            )
            if done.returncode == 0:
                break
            if attempt == 2:
                raise BuildError(f"mmdebstrap failed:\n{done.stderr[-3000:]}")
        shutil.move(made, tar)
    return tar


def _foreign_base() -> Path:
    """A directory with an unpacked Debian for arm64. It is made once and kept outside the tree."""
    place = suite.cache("image") / f"debian-base-{FOREIGN}"
    if not place.exists():
        arm64.root(debian.codename(), FOREIGN_PACKAGES, place)
    return place


def _buildah(storage: Path, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    environment = os.environ | _ENVIRONMENT
    done = subprocess.run(
        ["buildah", *_where(storage), *command],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    if check and done.returncode != 0:
        raise BuildError(
            f"buildah {command[0]} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        )
    return done


def _where(storage: Path) -> tuple[str, ...]:
    return ("--root", str(storage / "root"), "--runroot", str(storage / "run"))
