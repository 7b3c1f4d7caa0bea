"""The docs are correct: links lead somewhere, messages and versions are those of the code."""

import ast
import json
import re
from functools import cache

import pytest
import yaml

from rdma_dp import __version__
from rdma_dp.config import json_schema
from tests.docs.pages import anchors, links, page_of
from tests.paths import REPO

# Messages of other programs in troubleshooting.md: kubelet, the scheduler, the runtime.
FOREIGN = {
    "Insufficient rdma/...",
    "UnexpectedAdmissionError",
    "TopologyAffinityError",
    "CreateContainerError",
    "FailedPrepareDynamicResources",
    "cannot allocate all claims",
    "unresolvable CDI devices",
    "ibv_devinfo",
    "ibv_reg_mr",
    "nvidia_peermem",
}


@pytest.mark.parametrize(("page", "target"), links())
def test_a_link_leads_somewhere(page: str, target: str) -> None:
    path, _, anchor = target.partition("#")
    file = (page_of(page).parent / path).resolve() if path else page_of(page)
    assert file.exists()
    if anchor:
        assert anchor in anchors(file)


def quoted() -> list[str]:
    """The messages in the first column of the tables of troubleshooting.md."""
    page = (REPO / "docs" / "troubleshooting.md").read_text()
    cells = [line.split(" | ")[0] for line in page.splitlines() if line.startswith("| ")]
    found = [message for cell in cells for message in re.findall(r"`([^`]+)`", cell)]
    return [message for message in found if message not in FOREIGN]


@pytest.mark.parametrize("message", quoted())
def test_a_message_is_the_daemons(message: str) -> None:
    for part in message.split("..."):
        if part.strip():
            assert any(part.strip() in text for text in _texts()), part


def test_enough_messages_are_quoted_to_mean_something() -> None:
    assert len(quoted()) > 20


@cache
def _texts() -> frozenset[str]:
    """Every string in the daemon's code, docstrings included."""
    trees = [ast.parse(source.read_text()) for source in (REPO / "rdma_dp").rglob("*.py")]
    nodes = (node for tree in trees for node in ast.walk(tree))
    return frozenset(
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def test_the_reference_names_every_key() -> None:
    page = (REPO / "docs" / "configuration.md").read_text()
    schema = json_schema()
    for definition in (schema, *schema["$defs"].values()):
        for key in definition["properties"]:
            assert f"**`{key}`**" in page


# --- one version --------------------------------------------------------------------------------


def test_the_chart_has_the_version_of_the_package() -> None:
    chart = yaml.safe_load((REPO / "deploy" / "helm" / "rdma-dp" / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == __version__


def test_every_manifest_has_the_version_of_the_package() -> None:
    found = (REPO / "deploy").rglob("*.yaml")
    files = [file for file in found if "helm" not in file.parts and not file.is_symlink()]
    images = [
        version
        for file in files
        for version in re.findall(r"image: rdma-dp:(\S+)|version: (\d\S+)", file.read_text())
    ]
    assert len(images) == 7
    assert {"".join(version) for version in images} == {__version__}


def test_docs_name_no_other_version() -> None:
    pages = "\n".join(page.read_text() for page in (REPO / "docs").glob("*.md"))
    assert {*re.findall(r"rdma-dp:(\d\S*?)[,\s]", pages)} <= {__version__}
    assert {*re.findall(r"newTag: ([\d.]+\d)", pages)} <= {__version__}


def test_the_examples_in_json_are_json() -> None:
    pages = (REPO / "docs").glob("*.md")
    found = [each for page in pages for each in re.findall(r"`(\"\w+\": .+?)`", page.read_text())]
    assert found
    for each in found:
        json.loads(f"{{{each}}}")
