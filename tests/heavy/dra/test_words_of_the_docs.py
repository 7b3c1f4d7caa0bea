"""The migration of docs/dra.md, with its own commands, under pods that run."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
import yaml

from tests.heavy.dra.claim_pods import ClaimPod, of_all
from tests.heavy.dra.dra_cluster import DraCluster
from tests.heavy.dra.manifests import config_of
from tests.heavy.node import private
from tests.heavy.node.cluster import api
from tests.heavy.node.cluster.cluster import DEPLOY
from tests.heavy.node.process import wait_until
from tests.paths import REPO

_TREE = Path("/run/docs")  # a copy of deploy/, in which an administrator changes the config
_BASE = _TREE / "deploy" / "base" / "daemonset.yaml"
_DAEMON_SET = "/apis/apps/v1/namespaces/kube-system/daemonsets/rdma-dp"


def commands(begin: str, end: str) -> list[str]:
    """The blocks of commands between two headings."""
    text = (REPO / "docs" / "dra.md").read_text()
    section = text[text.index(f"\n{begin}\n") : text.index(f"\n{end}\n")]
    blocks = [dedent(each.partition("```")[0]) for each in section.split("```sh\n")[1:]]
    return [each.replace("NODE\n", f"{private.NODE}\n") for each in blocks if "helm" not in each]


def run(cluster: DraCluster, block: str) -> str:
    return cluster.run("sh", "-ec", f"cd {_TREE}\n{block}")


def config_of_the_example() -> str:
    example = yaml.safe_load((DEPLOY / "dra" / "config.yaml").read_text())
    return str(example["data"]["config.json"])


def set_config(text: str) -> None:
    """Put a config into the ConfigMap of deploy/base."""
    objects = [*yaml.safe_load_all(_BASE.read_text())]
    for each in objects:
        if each["kind"] == "ConfigMap":
            each["data"]["config.json"] = text
    _BASE.write_text(yaml.safe_dump_all(objects))


def available(cluster: DraCluster) -> api.Object:
    """The only pod of the DaemonSet, when the controller takes it as updated and available."""

    def settled() -> bool:
        found = api.get(_DAEMON_SET) or {}
        status = found.get("status", {})
        current = status.get("observedGeneration") == found["metadata"]["generation"]
        counts = [status.get(key) for key in ("numberAvailable", "updatedNumberScheduled")]
        return current and counts == [1, 1] and len(cluster.drivers()) == 1

    wait_until(settled)
    return cluster.drivers()[0]


@pytest.fixture
def classic(cluster: DraCluster) -> Iterator[DraCluster]:
    """The device plugin, as deploy/base installs it."""
    shutil.copytree(DEPLOY, _TREE / "deploy")
    cluster.uninstall()
    cluster.delete_slices()
    cluster.kubectl("apply", "--kustomize", DEPLOY / "base")
    yield cluster
    cluster.tidy()
    cluster.uninstall("--ignore-not-found")
    cluster.kubectl("-n", "kube-system", "delete", "configmap", "rdma-dp-dra", "--ignore-not-found")
    cluster.install(config_of(), devices=9)


def test_the_migration_and_back(classic: DraCluster) -> None:
    prepare, patch, change, finish = commands("## Migrate", "### Go back")
    back, change_back, strategy, remove = commands("### Go back", "## GB300, and virtual machines")
    classic.counts(63, "by the device plugin")
    first = classic.pod("first", 1).running()
    before = first.identity
    available(classic)
    run(classic, prepare)
    assert classic.allocatable() == "63"
    run(classic, patch)
    assert not classic.slices()
    run(classic, change)
    classic.wait("devices", classic.devices)
    classic.counts(0, "by the device plugin")
    second = ClaimPod(classic, "second")
    classic.make(second.with_limit(1))
    assert second.running().given() == of_all(classic)
    meanwhile, devices = second.identity, classic.devices()
    available(classic)
    set_config(config_of_the_example())
    run(classic, finish)
    available(classic)
    assert classic.devices() == devices
    # And back.
    for block in (patch, change):
        run(classic, block)
    available(classic)
    by_plugin = config_of_the_example().replace('"via": "dra"', '"via": "plugin"')
    set_config(by_plugin)
    classic.configure(by_plugin)
    run(classic, back)
    run(classic, change_back)
    classic.counts(63, "by the device plugin once more")
    classic.wait("no devices", classic.devices, lambda found: not found)
    third = classic.pod("third", 1).running()
    assert (first.identity, second.identity) == (before, meanwhile)
    second.delete()
    classic.released()
    available(classic)
    run(classic, strategy)
    available(classic)
    run(classic, remove)
    pod = available(classic)
    assert pod["spec"]["serviceAccountName"] == "default"
    assert first.identity == before
    assert "extendedResourceClaimStatus" not in third.status
