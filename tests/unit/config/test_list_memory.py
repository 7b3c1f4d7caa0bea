"""A7: a config whose lists do not fit into the memory of the manifests."""

import json

import yaml

from rdma_dp.config import parse
from rdma_dp.formats.list_size import MEMORY_LIMIT, MOST_SLOTS
from tests.paths import REPO


def warned(*sizes: int) -> list[str]:
    entries = [
        {"resourceName": f"r{n}", "rdmaHcaMax": size, "selectors": {"vendors": ["15b3"]}}
        for n, size in enumerate(sizes)
    ]
    return [str(warning) for warning in parse(json.dumps({"configList": entries})).warnings]


def test_twenty_of_the_longest_lists_are_warned_of() -> None:
    """A7: they took 469 MiB."""
    (warning,) = warned(*[MOST_SLOTS] * 20)
    assert warning.startswith("configList: ")
    assert "MiB of memory, and the manifests of rdma-dp allow 256 MiB" in warning


def test_what_fits_is_not_warned_of() -> None:
    assert warned(MOST_SLOTS) == []
    assert warned(*[10_000] * 100) == []


def test_the_limit_is_that_of_the_manifest() -> None:
    documents = yaml.safe_load_all((REPO / "deploy" / "base" / "daemonset.yaml").read_text())
    (daemon_set,) = [each for each in documents if each["kind"] == "DaemonSet"]
    (container,) = daemon_set["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["memory"] == f"{MEMORY_LIMIT >> 20}Mi"
