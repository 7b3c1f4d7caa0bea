"""Each file of a release says the same version, and the checksums name each file."""

import hashlib
import io
import json
import re
import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import yaml

from rdma_dp import __version__
from tests.heavy.image import builder
from tests.paths import REPO


def inside(archive: tarfile.TarFile, name: str) -> Any:
    file = archive.extractfile(name)
    assert file is not None
    return json.loads(file.read())


def blob(archive: tarfile.TarFile, descriptor: dict[str, Any]) -> Any:
    return inside(archive, "blobs/" + descriptor["digest"].replace(":", "/"))


def images(dist: Path) -> dict[str, dict[str, Any]]:
    """The config of the image for each platform."""
    with tarfile.open(dist / f"rdma-dp-{__version__}-image.tar") as archive:
        (descriptor,) = inside(archive, "index.json")["manifests"]
        manifest = blob(archive, descriptor)
        manifests = [blob(archive, each) for each in manifest.get("manifests", ())] or [manifest]
        configs = [blob(archive, each["config"]) for each in manifests]
    return {f"{each['os']}/{each['architecture']}": each for each in configs}


def commit(dist: Path) -> str:
    """The commit that the wheel says: HEAD can move while the release is made."""
    with zipfile.ZipFile(dist / f"rdma_dp-{__version__}-py3-none-any.whl") as wheel:
        return wheel.read("rdma_dp/built.txt").decode().split()[0]


def test_each_file_is_there_and_no_other(dist: Path) -> None:
    overlays = {directory.name for directory in (REPO / "deploy" / "overlays").iterdir()}
    wanted = {
        "SHA256SUMS",
        f"rdma-dp-{__version__}-image.tar",
        f"rdma-dp-{__version__}.cdx.json",
        f"rdma-dp-{__version__}.tgz",
        f"rdma_dp-{__version__}-py3-none-any.whl",
        f"rdma_dp-{__version__}.tar.gz",
        *(
            f"manifests/{name}.yaml"
            for name in ("base", "test-pod", "nic-cluster-policy", *overlays)
        ),
    }
    assert {str(f.relative_to(dist)) for f in dist.rglob("*") if f.is_file()} == wanted


def test_the_checksums_are_those_of_each_file(dist: Path) -> None:
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=dist, check=False
    )
    assert checked.returncode == 0
    lines = (line.split() for line in (dist / "SHA256SUMS").read_text().splitlines())
    sums = {name: digest for digest, name in lines}
    files = {str(f.relative_to(dist)) for f in dist.rglob("*") if f.is_file()}
    assert sums.keys() == files - {"SHA256SUMS"}
    wheel = dist / f"rdma_dp-{__version__}-py3-none-any.whl"
    assert sums[wheel.name] == hashlib.sha256(wheel.read_bytes()).hexdigest()


def test_the_image_has_labels_for_each_platform(dist: Path, architectures: list[str]) -> None:
    found = images(dist)
    assert found.keys() == {f"linux/{architecture}" for architecture in architectures}
    for image in found.values():
        labels = image["config"]["Labels"]
        start = "org.opencontainers.image."
        assert labels[f"{start}version"] == __version__
        assert labels[f"{start}revision"] == commit(dist)
        assert labels[f"{start}licenses"] == "Apache-2.0"
        assert labels[f"{start}title"] == "rdma-dp"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", labels[f"{start}created"])
        assert image["config"]["Entrypoint"] == ["/bin/rdma-dp"]


def test_the_daemon_runs_from_the_image_of_each_platform(
    dist: Path, storage: Path, architectures: list[str]
) -> None:
    assert dist.exists()
    for architecture in architectures:
        image = builder.container(storage, f"localhost/rdma-dp:{__version__}", architecture)
        demo = image.demo(REPO)
        assert demo.returncode == 0, demo.stdout + demo.stderr
        assert "kubelet counts 63 of 63 healthy" in demo.stdout


def test_the_image_says_its_version_and_commit(dist: Path, architectures: list[str]) -> None:
    """The last layer that holds built.txt is read: the image's own packages say the commit."""
    with tarfile.open(dist / f"rdma-dp-{__version__}-image.tar") as archive:
        texts = [
            text
            for member in archive
            if member.isfile() and member.name.startswith("blobs/") and member.size > 1_000_000
            for text in _built(archive, member)
        ]
    assert [text.split()[0] for text in texts] == [commit(dist)] * len(architectures)


def _built(archive: tarfile.TarFile, member: tarfile.TarInfo) -> list[str]:
    packed = archive.extractfile(member)
    assert packed is not None
    with tarfile.open(fileobj=io.BytesIO(packed.read())) as layer:
        names = [name for name in layer.getnames() if name.endswith("/rdma_dp/built.txt")]
        files = [layer.extractfile(name) for name in names]
        return [file.read().decode() for file in files if file is not None]


def test_the_chart_is_of_this_version(dist: Path) -> None:
    with tarfile.open(dist / f"rdma-dp-{__version__}.tgz") as archive:
        file = archive.extractfile("rdma-dp/Chart.yaml")
        assert file is not None
        chart = yaml.safe_load(file.read())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


def test_each_manifest_names_the_image_of_this_version(dist: Path) -> None:
    for file in (dist / "manifests").iterdir():
        text = file.read_text()
        found = re.findall(r"image: rdma-dp:(\S+)|^ +version: (\d\S+)", text, re.MULTILINE)
        assert {"".join(version) for version in found} == {__version__}, file.name


def test_the_sbom_names_this_version_and_each_locked_package(dist: Path) -> None:
    sbom = json.loads((dist / f"rdma-dp-{__version__}.cdx.json").read_text())
    assert sbom["bomFormat"] == "CycloneDX"
    about = sbom["metadata"]["component"]
    assert (about["name"], about["version"]) == ("rdma-dp", __version__)
    named = {
        (each["name"].lower().replace("_", "-"), each["version"]) for each in sbom["components"]
    }
    lock = (REPO / "requirements.lock").read_text()
    pins = {tuple(pin.split("==")) for pin in re.findall(r"^(\S+==\S+) \\", lock, re.MULTILINE)}
    assert named
    assert named <= pins
    assert {"grpcio", "protobuf", "pydantic", "pyroute2"} <= {name for name, _ in named}
    assert str(REPO) not in json.dumps(sbom)
