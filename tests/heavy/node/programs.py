"""The node's programs, built once from the Go modules that publish them.

Each folder beside this file is a Go module of ours. It names the packages and their release.
Another release is built with the versions that the release itself names (see upstream.py).
"""

import hashlib
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.heavy import golang
from tests.heavy.node import upstream

log = logging.getLogger(__name__)

SOURCES = Path(__file__).parent


@dataclass(frozen=True)
class Source:
    """A Go module of ours, which requires `module`, and the packages to build with it.

    `release` is one that the module of ours does not name.
    """

    name: str
    module: str
    packages: tuple[str, ...]
    tags: str = ""
    release: str = ""

    @property
    def directory(self) -> Path:
        return SOURCES / self.name

    @property
    def version(self) -> str:
        """The release, as vX.Y.Z."""
        if self.release:
            return self.release
        modules = (self.directory / "go.mod").read_text()
        found = re.search(
            rf"^(?:require )?\s*{re.escape(self.module)} (v\S+)", modules, re.MULTILINE
        )
        assert found, f"{self.directory}/go.mod requires no {self.module}"
        return found[1]

    def at(self, release: str) -> "Source":
        """The same programs of a release X.Y.Z."""
        wanted = f"v{release.removeprefix('v')}"
        return self if wanted == self.version else replace(self, release=wanted)

    @property
    def stamps(self) -> str:
        """Linker flags that set the program's release: kubelet writes it into its status."""
        if self.module != "k8s.io/kubernetes":
            return "-s -w"
        major, minor, _ = self.version[1:].split(".", 2)
        version = {"gitVersion": self.version, "gitMajor": major, "gitMinor": minor}
        where = "k8s.io/component-base/version"
        return " ".join(["-s -w", *(f"-X {where}.{key}={it}" for key, it in version.items())])


# Up to 1.30, Kubernetes has the libraries of cloud providers in it. Without them kubelet 1.28.15
# takes 205 s of CPU time to build, and 330 s with them.
KUBELET = Source(
    "kubernetes", "k8s.io/kubernetes", ("k8s.io/kubernetes/cmd/kubelet",), tags="providerless"
)
CONTROL_PLANE = Source(
    "kubernetes",
    "k8s.io/kubernetes",
    tuple(
        f"k8s.io/kubernetes/cmd/{program}"
        for program in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
    ),
)
KUBECTL = Source("kubernetes", "k8s.io/kubernetes", ("k8s.io/kubernetes/cmd/kubectl",))


def _containerd(module: str) -> Source:
    programs = ("containerd", "containerd-shim-runc-v2", "ctr")
    return Source(
        "containerd",
        module,
        tuple(f"{module}/cmd/{program}" for program in programs),
        tags="no_aufs,no_btrfs,no_devmapper,no_zfs",
    )


CONTAINERD = _containerd("github.com/containerd/containerd")
_CONTAINERD_2 = _containerd("github.com/containerd/containerd/v2")
# Its main is ours: it exits if the kernel has no RDMA.
GO_PLUGIN = Source(
    "go-plugin", "github.com/Mellanox/k8s-rdma-shared-dev-plugin", ("rdma-dp-test-go-plugin",)
)
# Its client is Go's, as kubelet's is. It has the modules of the plugin.
GO_CALLER = Source("go-plugin", GO_PLUGIN.module, ("rdma-dp-test-go-plugin/caller",))


def containerd(release: str) -> Source:
    """containerd of a release X.Y.Z, of 1.7 or 2."""
    if release.startswith("2."):
        return replace(_CONTAINERD_2, release=f"v{release}")
    return CONTAINERD.at(release)


def build(source: Source, cache: Path) -> Path:
    """The directory of the programs. It is built once for each state of the module."""
    directory = cache / f"{source.name}-{source.version}{_digest(source)}"
    missing = [
        package for package in source.packages if not (directory / _program(package)).exists()
    ]
    if missing:
        directory.mkdir(parents=True, exist_ok=True)
        go = golang.new_enough(golang.found(), cache)
    for package in missing:
        log.info("building %s %s: once, some minutes", _program(package), source.version)
        made = directory / f".{_program(package)}"
        flags = (
            "-trimpath",
            "-buildvcs=false",
            f"-tags={source.tags}",
            f"-ldflags={source.stamps}",
        )
        # With the machine's own caches: the modules are large, and others use them too. A Go that
        # is too old for a module downloads a newer one.
        options = (*flags, "-o", str(made))
        with _module(source, go) as (module, more):
            golang.run_as_it_is(
                go, "build", *more, *options, package, cwd=module, GOTOOLCHAIN="auto"
            )
        made.rename(directory / _program(package))
    return directory


def _program(package: str) -> str:
    return package.rpartition("/")[2]


@contextmanager
def _module(source: Source, go: str) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """The directory to build in, and the flags for it."""
    if not source.release:
        yield source.directory, ()
        return
    with upstream.module_of(go, source.module, source.release) as directory:
        yield directory, ("-mod=mod",)  # go adds the checksums of the staging modules


def _digest(source: Source) -> str:
    """The state of our module. A release is always the same."""
    if source.release:
        return ""
    files = sorted(each for each in source.directory.rglob("*") if each.is_file())
    return f"-{hashlib.sha256(b''.join(each.read_bytes() for each in files)).hexdigest()[:8]}"
