"""What is made outside of the VM and used inside: images and manifests, in one directory."""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.heavy.image import builder
from tests.heavy.node import image
from tests.heavy.vm.node import unpacked
from tests.paths import REPO

# What is tested of deploy/: two directories, as `kubectl apply -k` renders them, and the chart with
# the metrics of queue pairs.
BASE, CDI, CHART = "base", "overlays/cdi", "helm/rdma-dp"
METRICS = ("127.0.0.1", 8765)  # of the chart's pod, which is in the node's network
_RENDERERS = {
    BASE: ("kubectl", "kustomize"),
    CDI: ("kubectl", "kustomize"),
    CHART: (
        *("helm", "template", "--namespace", "kube-system", "--set", "metrics.enabled=true"),
        *("--set", "metrics.pods=queuePairs", "--set", f"metrics.address={METRICS[0]}"),
        *("--set", f"metrics.port={METRICS[1]}"),
    ),
}

# Programs of the pods, besides busybox: those of rdma-core and perftest.
VERBS_IMAGE = "localhost/verbs:1"
_PROGRAMS = ("ibv_devinfo", "ibv_rc_pingpong", "ib_write_bw")
_PROVIDER = (  # The user-space driver of rxe. libibverbs finds it through its configuration.
    "/etc/libibverbs.d/rxe.driver",
    "/usr/lib/x86_64-linux-gnu/libibverbs/librxe-rdmav34.so",
)

DIRECTORY = "RDMA_DP_TEST_PARTS"


def environment(directory: Path, deadline: float) -> Mapping[str, str]:
    """The paths of these parts, and the seconds that a test waits, on a machine that is ten times
    as slow.
    """
    return {
        DIRECTORY: str(directory),
        "RDMA_DP_TEST_NODE": "/run/logs",
        "RDMA_DP_TEST_CGROUP": "rdma-dp-node",
        "RDMA_DP_TEST_DEADLINE": str(deadline),
    }


def make(directory: Path, path: str) -> None:
    """Make all of them. `path` is a PATH with kubectl and helm."""
    for source, command in _RENDERERS.items():
        done = subprocess.run(
            (*command, str(REPO / "deploy" / source)),
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=True,
        )
        _rendered(directory, source).write_text(done.stdout)
    image.write(directory / "verbs.tar", VERBS_IMAGE, dict(_verbs_files()))
    ours = builder.archive(REPO)
    variables = {**os.environ, "PATH": path, "RDMA_DP_TEST_NODE": str(directory)}
    unpacked.make(_containerd(directory), (ours, directory / "verbs.tar"), variables)


def _verbs_files() -> Iterator[tuple[str, image.File]]:
    """The programs and the shared libraries that they load, by path in the image."""
    found = {f"bin/{name}": Path("/usr/bin", name) for name in _PROGRAMS}
    loaded = subprocess.run(
        ("ldd", *map(str, found.values()), _PROVIDER[1]), capture_output=True, text=True, check=True
    )
    libraries = re.findall(r"(/\S+) \(0x", loaded.stdout)
    found |= {library[1:]: Path(library) for library in (*libraries, *_PROVIDER)}
    for path, file in found.items():
        yield path, (file.read_bytes(), 0o755)


# --- inside ---------------------------------------------------------------------------------------


def take_images() -> None:
    """Give the images to the containerd that will start."""
    unpacked.take(_containerd(_directory()))


def pod_spec(source: str) -> dict[str, Any]:
    """The pod of the DaemonSet in what is rendered of deploy/."""
    return _pod_spec(_directory(), source)


def _pod_spec(directory: Path, source: str) -> dict[str, Any]:
    rendered = yaml.safe_load_all(_rendered(directory, source).read_text())
    (daemon_set,) = (each for each in rendered if each["kind"] == "DaemonSet")
    spec: dict[str, Any] = daemon_set["spec"]["template"]["spec"]
    return spec


def _rendered(directory: Path, source: str) -> Path:
    return directory / f"{source.replace('/', '-')}.yaml"


def _containerd(directory: Path) -> Path:
    return directory / "containerd.tar"


def _directory() -> Path:
    return Path(os.environ[DIRECTORY])
