"""What deploy/ has for DRA names the classes, attributes, paths and variables of the code."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from rdma_dp.api_server.credentials import SERVICE_ACCOUNT
from rdma_dp.config import Config, Via, parse_bytes
from rdma_dp.config.dra_settings import DEFAULT_DRIVER
from rdma_dp.daemon.dra.dra_parts import POD_UID
from rdma_dp.dra.device_classes import device_classes
from rdma_dp.dra.parameters import read_parameters
from rdma_dp.dra.slices import NodeIdentity, resource_slices
from rdma_dp.formats.names import NODE_NAME
from rdma_dp.kubelet.directories import KubeletDirectories
from tests.makers import hca
from tests.paths import REPO
from tests.unit.dra.makers import devices, via_dra

DEPLOY = REPO / "deploy"
DRA = DEPLOY / "components" / "dra"
EXAMPLES = sorted((DEPLOY / "dra").glob("*.yaml"))
OTHERS_CLASSES = {"gpu.nvidia.com"}

_READ = re.compile(r"device\.attributes\['([^']+)'\]\.(\w+)")


def documents(file: Path) -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all(file.read_text()) if each]


def config_of(file: Path) -> Config:
    (text,) = (d["data"]["config.json"] for d in documents(file) if d.get("kind") == "ConfigMap")
    loaded = parse_bytes(text.encode())
    assert loaded.warnings == ()
    return loaded.config


def below(value: Any, key: str) -> Iterator[Any]:
    """The values of a key, wherever it is."""
    if isinstance(value, dict):
        for name, each in value.items():
            if name == key:
                yield each
            yield from below(each, key)
    elif isinstance(value, list):
        for each in value:
            yield from below(each, key)


def published() -> dict[str, Any]:
    """A device of a resource with a device for each HCA, as it is in a slice."""
    from rdma_dp.config import DraSettings

    (made,) = resource_slices(devices(hca(), of=via_dra()), NodeIdentity("n"), DraSettings())
    return dict(made["spec"]["devices"][0])


def test_the_classes_are_those_that_dra_class_prints_for_the_base() -> None:
    wanted = device_classes(config_of(DEPLOY / "base" / "daemonset.yaml"))
    assert documents(DRA / "device-classes.yaml") == list(wanted)


def test_the_pod_has_what_the_daemon_reads() -> None:
    (patch,) = documents(DRA / "pod.yaml")
    pod = patch["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    fields = {each["name"]: each["valueFrom"]["fieldRef"]["fieldPath"] for each in container["env"]}
    assert fields == {NODE_NAME: "spec.nodeName", POD_UID: "metadata.uid"}
    mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    kubelet = KubeletDirectories.below(Path("/var/lib/kubelet"))
    driver = kubelet.plugins / DEFAULT_DRIVER
    assert mounts == {
        "dra-driver": str(driver),
        "cdi": "/var/run/cdi",
        "pod-resources": str(kubelet.pod_resources.parent),
        "api-access": str(SERVICE_ACCOUNT),
    }
    volumes = {each["name"]: each for each in pod["volumes"]}
    assert volumes["dra-driver"]["hostPath"]["path"] == str(driver)
    sources = volumes["api-access"]["projected"]["sources"]
    files = {path for source in sources for path in below(source, "path")}
    assert files == {"token", "ca.crt"}


@pytest.mark.parametrize("file", [*DRA.glob("*.yaml"), *EXAMPLES], ids=lambda file: file.name)
def test_no_other_driver_is_named(file: Path) -> None:
    named = {*re.findall(r"[\w.-]+\.rdma-dp\.dev", file.read_text())}
    assert named <= {DEFAULT_DRIVER}


def test_the_config_of_the_examples_offers_each_resource_by_dra() -> None:
    config = config_of(DEPLOY / "dra" / "config.yaml")
    base = config_of(DEPLOY / "base" / "daemonset.yaml")
    assert {each.via for each in config.config_list} == {Via.DRA}
    assert config.config_list[0].model_copy(update={"via": Via.PLUGIN}) == base.config_list[0]
    assert any(each.per_hca for each in config.config_list)


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_an_example_names_what_exists(file: Path) -> None:
    found = documents(file)
    classes = {each["metadata"]["name"]: each for each in documents(DRA / "device-classes.yaml")}
    assert {*below(found, "deviceClassName")} <= classes.keys() | OTHERS_CLASSES
    for driver, attribute in _READ.findall(" ".join(below(found, "expression"))):
        assert driver == DEFAULT_DRIVER
        assert attribute in published()["attributes"]
    for name in below(found, "matchAttribute"):
        assert name.startswith("resource.kubernetes.io/")
    for capacity in below(found, "capacity"):
        assert capacity["requests"].keys() <= published()["capacity"].keys()
    for parameters in below(found, "opaque"):
        given = {"config": [{"source": "FromClaim", "requests": [], "opaque": parameters}]}
        read, problems = read_parameters(given, DEFAULT_DRIVER)
        assert (len(read), problems) == (1, ())
    by_limit = {each["spec"].get("extendedResourceName") for each in classes.values()}
    for limits in below(found, "limits"):
        assert limits.keys() <= by_limit


def test_each_story_has_an_example() -> None:
    found = [each for file in EXAMPLES for each in documents(file)]
    assert [*below(found, "matchAttribute")] == ["resource.kubernetes.io/pcieRoot"]
    assert [*below(found, "allocationMode")] == ["All", "All"]
    assert [*below(found, "slots")] == ["1"]
    assert [*below(found, "limits")] == [{"rdma/rdma_shared_device_a": 1}]
    assert 63 in below(found, "replicas")
