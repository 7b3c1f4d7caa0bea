"""A host that ails and the same host mended: a check fires on the one, not on the other."""

from pathlib import Path

from rdma_dp.config.loading import find_config
from rdma_dp.doctor.catalogue import chosen
from rdma_dp.doctor.check import Verdict
from rdma_dp.doctor.examination import Result, examine
from rdma_dp.host.files import Host
from rdma_dp.host.tree import Tree
from rdma_dp.node.answers import Answers
from rdma_dp.node.source import NodeSource
from rdma_dp.node.view import view_node
from tests.conftest import Fresh
from tests.unit.doctor.ailing import ALL_MELLANOX, ailing, seen

SILENT = (Verdict.OK, Verdict.UNKNOWN)


def ill(
    fresh: Fresh,
    check: str,
    base: str,
    patch: str,
    mended: str = "{}",
    config: Path = ALL_MELLANOX,
) -> Result:
    """What the check says of `base` with `patch`; with `mended` instead it says nothing bad."""
    silent = seen(check, fresh(ailing(base, mended)).root, config)
    assert silent.verdict in SILENT, silent
    return seen(check, fresh(ailing(base, patch)).root, config)


def told(result: Result) -> list[str]:
    """The findings as "verdict subject: evidence"."""
    return [f"{each.verdict} {each.subject}: {each.evidence}" for each in result.findings]


def config(directory: Path, text: str) -> Path:
    """A config file with this text."""
    file = directory / "config.yaml"
    file.write_text(text)
    return file


def seen_through(check: str, tree: Tree, config: Path = ALL_MELLANOX) -> Result:
    """What one check says of a host whose files are read through a tree of the test's."""
    root = NodeSource(Host(tree), Answers())
    (result,) = examine(view_node(root, find_config(config)), chosen([check]))
    return result
