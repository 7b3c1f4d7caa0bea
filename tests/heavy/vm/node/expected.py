"""What containers must get, and what they must see."""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.heavy.node.pods import DENIED
from tests.heavy.vm.inside import fabric
from tests.heavy.vm.inside.fabric import RDMA_CM, SoftHca
from tests.heavy.vm.node.shell import Pod, Shell


def number(path: str) -> str:
    """The number of the host's character device, as MAJOR:MINOR."""
    device = Path(path).stat().st_rdev
    return f"{os.major(device)}:{os.minor(device)}"


def every_number() -> set[str]:
    """The numbers of every node of every HCA, and that of the connection manager."""
    return {number(path) for path in fabric.all_nodes()}


def nodes_of(*hcas: SoftHca) -> set[str]:
    """The paths that a container must have for these HCAs."""
    return {RDMA_CM}.union(*(hca.nodes for hca in hcas))


def sees_exactly(pod: Pod, *hcas: SoftHca) -> None:
    """Whether it has and opens their nodes, can open no others, and finds them with libibverbs.

    `others` of the pod must be `every_number()`.
    """
    sight = pod.sight()
    wanted = nodes_of(*hcas)
    assert {f"/dev/infiniband/{name}" for name in sight.nodes} == wanted
    assert {*sight.nodes.values()} == {"open"}
    opened = {number(path) for path in wanted}
    assert sight.others.keys() == every_number()
    assert _with(sight.others, "open") == opened
    assert _with(sight.others, DENIED) == every_number() - opened
    assert hcas_seen_in(Shell(pod)) == [hca.name for hca in hcas]


def sees_nothing(pod: Pod, numbers: Iterable[str]) -> None:
    """Whether it has no node, cannot open those of its `others`, and libibverbs finds no HCA."""
    assert pod.sight().nodes == {}
    assert pod.sight().others == dict.fromkeys(numbers, DENIED)
    shell = Shell(pod)
    for program in ("ibv_devinfo", "ibv_rc_pingpong"):
        refused = shell.run(program)
        assert refused.returncode != 0
        assert "No IB devices found" in refused.stderr


def hcas_seen_in(shell: Shell) -> list[str]:
    """The HCAs that ibv_devinfo finds in the container. It fails if it cannot open one."""
    shown = shell.run("ibv_devinfo")
    assert shown.returncode == 0, shown.stderr
    return sorted(re.findall(r"hca_id:\s+(\S+)", shown.stdout))


def _with(found: Mapping[str, str], said: str) -> set[str]:
    return {name for name, word in found.items() if word == said}
