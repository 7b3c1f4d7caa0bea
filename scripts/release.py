"""Make dist/, all files of a release, from the newest commit. docs/releasing.md describes them.

python -m scripts.release [--to DIRECTORY] [PART...]

The parts are packages, image, chart, manifests and sbom; without one, all are made. PLATFORMS, BASE
and IMAGE_OPTIONS go to build_image.sh. SHA256SUMS is written last.
"""

import argparse
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rdma_dp import __version__
from tests.heavy import suite
from tests.heavy.deploy import tools

REPO = Path(__file__).resolve().parent.parent
WORK = REPO / "build" / "release"
SUMS = "SHA256SUMS"
PLATFORMS = "linux/amd64,linux/arm64"


@dataclass(frozen=True)
class Release:
    """What is released: a tree with the files of a commit, and where the results go."""

    tree: Path
    dist: Path
    built: str  # "COMMIT DATE"
    epoch: str  # seconds: the date of the commit, for all dates in the results
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    def run(self, *command: str | Path, **variables: str) -> str:
        """The output of a program. It runs in the tree. Raises CalledProcessError."""
        environment = {**self.environment, "SOURCE_DATE_EPOCH": self.epoch, **variables}
        done = subprocess.run(
            list(map(str, command)),
            cwd=self.tree,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return done.stdout


def packages(release: Release) -> None:
    """The wheel and the sdist. The same commit makes the same bytes."""
    for target in ("wheel", "sdist"):
        release.run(*(sys.executable, "-m", "hatchling", "build", "-t", target, "-d", release.dist))


def image(release: Release) -> None:
    """The image for each platform, as an OCI archive."""
    archive = release.dist / f"rdma-dp-{__version__}-image.tar"
    archive.unlink(missing_ok=True)
    platforms = release.environment.get("PLATFORMS") or PLATFORMS
    options = shlex.split(release.environment.get("IMAGE_OPTIONS", ""))
    release.run(
        *("scripts/build_image.sh", *options),
        PLATFORMS=platforms,
        OCI_ARCHIVE=str(archive),
        BUILT=release.built,
    )


def chart(release: Release) -> None:
    """The Helm chart."""
    directory = release.tree / "deploy" / "helm" / "rdma-dp"
    version = ("--version", __version__, "--app-version", __version__)
    release.run(_tool("helm"), "package", directory, *version, "--destination", release.dist)


def manifests(release: Release) -> None:
    """The base and each overlay, rendered, and the files for Network Operator as they are."""
    place = release.dist / "manifests"
    place.mkdir(exist_ok=True)
    deploy = release.tree / "deploy"
    for directory in (deploy / "base", *sorted((deploy / "overlays").iterdir())):
        text = release.run(_tool("kustomize"), "build", directory)
        (place / f"{directory.name}.yaml").write_text(text)
    for file in (deploy / "test-pod.yaml", deploy / "network-operator" / "nic-cluster-policy.yaml"):
        shutil.copyfile(file, place / file.name)


def sbom(release: Release) -> None:
    """The packages in the image's virtual environment, in CycloneDX: the wheel and its lock."""
    cyclonedx, runtime = (_environment(release, name) for name in ("cyclonedx", "runtime"))
    _install(
        release, cyclonedx, "--require-hashes", "-r", release.tree / "requirements-release.lock"
    )
    _install(release, runtime, "--require-hashes", "-r", release.tree / "requirements.lock")
    (wheel,) = release.dist.glob(f"rdma_dp-{__version__}-*.whl")
    _install(release, runtime, "--no-deps", "--no-index", wheel)
    release.run(runtime, "-m", "pip", "uninstall", "--quiet", "--yes", "setuptools", "pip")
    text = release.run(
        *(cyclonedx, "-m", "cyclonedx_py", "environment", "--output-reproducible"),
        *("--pyproject", release.tree / "pyproject.toml", "--mc-type", "application", runtime),
    )
    found = json.loads(text)
    found["metadata"]["component"]["version"] = __version__  # pyproject.toml says where it stands
    file = release.dist / f"rdma-dp-{__version__}.cdx.json"
    file.write_text(json.dumps(found, indent=2) + "\n")


PARTS: Mapping[str, Callable[[Release], None]] = {
    made.__name__: made for made in (packages, image, chart, manifests, sbom)
}


def checksums(dist: Path) -> str:
    """The text of SHA256SUMS, as sha256sum writes it."""
    files = sorted(path for path in dist.rglob("*") if path.is_file() and path.name != SUMS)
    sums = {path.relative_to(dist): hashlib.sha256(path.read_bytes()) for path in files}
    return "".join(f"{sum_.hexdigest()}  {path}\n" for path, sum_ in sums.items())


def staged(dist: Path, work: Path = WORK) -> Release:
    """The files of the newest commit below `work`, with built.txt and without any later change."""
    shutil.rmtree(work, ignore_errors=True)
    tree = work / "tree"
    tree.mkdir(parents=True)
    archive = subprocess.run(
        ["git", "archive", "HEAD"], cwd=REPO, stdout=subprocess.PIPE, check=True
    )
    subprocess.run(["tar", "--extract"], cwd=tree, input=archive.stdout, check=True)
    built = _git("show", "--no-patch", "--abbrev=12", "--format=%h %cs")
    (tree / "rdma_dp" / "built.txt").write_text(f"{built}\n")
    dist.mkdir(parents=True, exist_ok=True)
    return Release(tree, dist, built, _git("show", "--no-patch", "--format=%ct"))


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=REPO, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout.strip()


def _tool(name: str) -> str | Path:
    """A program of this machine, or the one that `make test-deploy` builds with Go."""
    if (found := shutil.which(name)) is not None:
        return found
    return tools.Go(suite.cache("deploy")).programs(name) / name


def _environment(release: Release, name: str) -> Path:
    """The Python of a new virtual environment."""
    place = release.tree.parent / name
    release.run(sys.executable, "-m", "venv", place)
    return place / "bin" / "python"


def _install(release: Release, python: Path, *what: str | Path) -> None:
    release.run(python, "-m", "pip", "install", "--quiet", *what)


def main() -> int:
    """Make the parts. Returns 1 after a failure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--to", type=Path, default=REPO / "dist", metavar="DIRECTORY")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"one of {', '.join(PARTS)}")
    options = parser.parse_args()
    for word in options.parts:
        if word not in PARTS:
            parser.error(f"there is no part {word}: choose from {', '.join(PARTS)}")
    if _git("status", "--porcelain", "--untracked-files=no"):
        print("release: changes that are not committed are not in it", file=sys.stderr)
    if not options.parts:
        shutil.rmtree(options.to, ignore_errors=True)
    release = staged(options.to.absolute())
    try:
        for part in options.parts or PARTS:
            print(f"release: {part}", flush=True)
            PARTS[part](release)
    except subprocess.CalledProcessError as error:
        print(f"release: `{' '.join(map(str, error.cmd))}` failed", file=sys.stderr)
        return 1
    text = checksums(release.dist)
    (release.dist / SUMS).write_text(text)
    print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
