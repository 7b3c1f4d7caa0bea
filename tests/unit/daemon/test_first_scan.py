"""The scan that runs while modules are imported counts as any scan."""

import logging
import time
from functools import partial
from operator import add

import pytest

from rdma_dp.daemon.first_scan import FirstScan
from rdma_dp.daemon.scanner import Scanner
from rdma_dp.host.files import HostError
from rdma_dp.metrics import Metrics
from tests.conftest import Fresh

INFINIBAND = "sys/class/infiniband"


async def test_its_inventory_is_that_of_the_first_scan(fresh: Fresh) -> None:
    simulated = fresh("seed")
    first = FirstScan(simulated.root)
    found = first.result()
    scanner = Scanner(first.host, first=first)
    simulated.unplug("mlx5_1")
    await scanner.scan()
    assert scanner.inventory == found.inventory
    await scanner.scan()
    assert scanner.inventory != found.inventory


async def test_its_failure_is_that_of_a_scan(
    fresh: Fresh, caplog: pytest.LogCaptureFixture
) -> None:
    simulated, metrics = fresh("seed"), Metrics()
    there, away = simulated.root / INFINIBAND, simulated.root / "away"
    there.rename(away)
    there.symlink_to(there.name)
    first = FirstScan(simulated.root)
    with pytest.raises(HostError):
        first.result()
    there.unlink()
    away.rename(there)
    scanner = Scanner(first.host, metrics, first=first)
    with caplog.at_level(logging.INFO):
        await scanner.scan()
        assert scanner.inventory is None
        await scanner.scan()
    assert scanner.inventory is not None
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]
    assert metrics.scans.values == {("error",): 1, ("ok",): 1}


async def test_an_old_inventory_is_not_listed(
    fresh: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon can wait for its config for days. Slots that were listed once stay listed."""
    simulated = fresh("seed")
    first = FirstScan(simulated.root)
    before = first.result()
    simulated.unplug("mlx5_1")
    monkeypatch.setattr(time, "monotonic", partial(add, time.monotonic(), 60.0))
    scanner = Scanner(first.host, first=first)
    await scanner.scan()
    assert scanner.inventory is not None
    assert len(scanner.inventory.hcas) == len(before.inventory.hcas) - 1
