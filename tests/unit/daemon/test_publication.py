"""What the log says when a state cannot be published as a whole."""

import asyncio
import json
import logging
from pathlib import Path

import pytest

from rdma_dp.aio.directory_watch import DirectoryWatch
from rdma_dp.aio.latest import Latest
from rdma_dp.aio.tasks import start
from rdma_dp.config import parse
from rdma_dp.daemon.publication import Publication
from rdma_dp.host.files import ExhaustedError
from rdma_dp.inventory.hardware import Inventory, System
from rdma_dp.sharing.state import NodeState, next_state
from rdma_dp.specs.publisher import SpecFiles
from tests.unit.kubelet.nodes import RDMA_CM, hca

DEADLINE = 60.0  # seconds; only a failing test waits that long
ENTRY = {"resourceName": "a", "rdmaHcaMax": 1, "selectors": {"drivers": ["mlx5_core"]}}


def state() -> NodeState:
    config = parse(json.dumps({"configList": [ENTRY]})).config
    return next_state(config, Inventory((hca(0),), (), System(rdma_cm=RDMA_CM)), 0.0)


@pytest.mark.parametrize(
    ("step", "line", "in_force"),
    [
        ("follow", "the last lists stay in force and are tried again", False),
        (
            "tidy",
            "the lists are in force; their warnings and the removal of old files are tried again",
            True,
        ),
    ],
)
def test_an_error_says_which_lists_are_in_force_and_the_step_is_tried_again(
    step: str,
    line: str,
    in_force: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    offered: list[bool] = []
    work = getattr(SpecFiles, step)

    def fails_once(files: SpecFiles, *arguments: object) -> object:
        offered.append(publication.offered.value.scan > 0)
        if len(offered) == 1:
            raise ExhaustedError("no descriptor")
        return work(files, *arguments)

    monkeypatch.setattr(SpecFiles, step, fails_once)
    applied = Latest(0)
    files = SpecFiles(tmp_path / "cdi", tmp_path / "devinfo")
    watch = DirectoryWatch(tmp_path / "cdi")

    async def published() -> None:
        async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as tasks:
            task = start(tasks, "publication", publication.run())
            await applied.until(lambda scan: scan == 1)
            task.cancel()

    with caplog.at_level(logging.ERROR):
        publication = Publication(Latest(state()), Latest(frozenset()), files, watch, applied)
        asyncio.run(published())
    assert offered[0] is in_force
    assert [record.getMessage() for record in caplog.records] == [f"{line}: no descriptor"]
    assert publication.offered.value.scan == 1
