"""`dry-run -o explain`: every selector of a resource rejecting every HCA."""

from typing import Any

import pytest
from hypothesis import given

from rdma_dp import config
from rdma_dp.inventory.hardware import Hca, Inventory
from rdma_dp.render import console, explain
from rdma_dp.sharing.pool import make_pool, make_pools
from rdma_dp.sharing.selection import select
from simulator.host import sample_names
from tests.conftest import Golden, Look
from tests.makers import SYSTEM, all_selectors, hca, hca_lists, resource
from tests.paths import CONFIGS


def explained(inventory: Inventory, **selectors: Any) -> list[str]:
    pool = make_pool(select(inventory, resource(**selectors)), inventory.system)
    return console.plain(explain.dry_run([pool])).splitlines()


def of_hcas(*hcas: Hca, **selectors: Any) -> list[list[str]]:
    """The words of each line below the headings."""
    return [line.split() for line in explained(Inventory(hcas, (), SYSTEM), **selectors)[2:]]


@pytest.mark.parametrize("name", ["dgx-h100", "gb200", "gb300", "sriov"])
def test_explanations(name: str, look: Look, golden: Golden) -> None:
    inventory = look(name)
    shown = []
    for file in ("seed-ifnames.json", "several-resources.yaml"):
        loaded = config.load(CONFIGS / file).config
        pools = make_pools(loaded, inventory)
        shown.append(f"# {file}\n{console.plain(explain.dry_run(pools))}")
    golden(f"{name}.explain.txt", "\n".join(shown))


def test_a_selector_that_matches_and_one_that_does_not() -> None:
    lines = of_hcas(hca(netdev="eth0"), vendors=["15b3"], ifNames=["ens*", "ib0"])
    assert lines[0] == ["mlx5_0", "✓", "vendors", "15b3", "15b3"]
    assert lines[1] == ["✗", "ifNames", "ens*", "or", "ib0", "eth0"]
    assert lines[2][:3] == ["not", "set:", "deviceIDs,"]


def test_an_exclude_selector_has_a_line_too() -> None:
    lines = of_hcas(hca(0, numa=0), hca(1, numa=1), exclude={"numaNodes": [1]})
    assert lines[0] == ["mlx5_0", "✓", "exclude.numaNodes", "not", "1", "0"]
    assert lines[1] == ["mlx5_1", "✗", "exclude.numaNodes", "not", "1", "1"]


def test_an_hca_that_cannot_be_shared_shows_the_reason() -> None:
    lines = of_hcas(hca(unshareable="no uverbs"), vendors=["15b3"])
    assert lines[0] == ["mlx5_0", "✗", "can", "be", "shared", "no", "uverbs"]
    assert lines[1] == ["✓", "vendors", "15b3", "15b3"]


def test_hcas_with_the_same_lines_are_grouped() -> None:
    lines = of_hcas(*(hca(number) for number in range(3)), vendors=["15b3"])
    assert lines[0][:2] == ["mlx5_0,", "mlx5_1,"]
    assert sum("✓" in line for line in lines) == 1


def test_a_resource_without_selectors_and_a_node_without_hcas() -> None:
    assert of_hcas(hca())[0] == ["mlx5_0", "✓", "(none)"]
    assert explained(Inventory((), (), SYSTEM))[1] == "  no RDMA device on this node"


@pytest.mark.parametrize("name", sample_names())
def test_every_sample_with_every_config_fits_a_hundred_columns(name: str, look: Look) -> None:
    for path in sorted(CONFIGS.iterdir()):
        loaded = config.load(path).config
        pools = make_pools(loaded, look(name))
        lines = console.plain(explain.dry_run(pools)).splitlines()
        assert all(len(line) <= 100 for line in lines)


@given(hca_lists(), all_selectors)
def test_the_marks_agree_with_the_choice(hcas: tuple[Hca, ...], selectors: dict[str, Any]) -> None:
    inventory = Inventory(hcas, (), SYSTEM)
    found = select(inventory, resource(**selectors))
    text = "\n".join(explained(inventory, **selectors))
    assert ("✗" in text) is bool(found.rejected)
    for verdict in found.verdicts:
        rejecting = [each for each in verdict.comparisons if each.rules_out]
        assert verdict.chosen is (not rejecting and verdict.hca.shareable)
        assert verdict.mismatches == tuple(rejecting)


def test_each_set_of_selectors_has_its_lines() -> None:
    """C7: the lines name the set."""
    sets = [{"deviceIDs": ["1021"]}, {"deviceIDs": ["101b"], "ifNames": ["eth0"]}]
    wanted = config.Resource.model_validate(
        {"resourceName": "a", "rdmaHcaMax": 1, "selectors": sets}
    )
    pool = make_pool(select(Inventory((hca(0), hca(1)), (), SYSTEM), wanted), SYSTEM)
    lines = [line.split() for line in console.plain(explain.dry_run([pool])).splitlines()[2:]]
    assert lines[:-1] == [
        ["mlx5_0", "✗", "[0].deviceIDs", "1021", "101b"],
        ["✓", "[1].deviceIDs", "101b", "101b"],
        ["✓", "[1].ifNames", "eth0", "eth0"],
        ["mlx5_1", "✗", "[0].deviceIDs", "1021", "101b"],
        ["✓", "[1].deviceIDs", "101b", "101b"],
        ["✗", "[1].ifNames", "eth0", "eth1"],
    ]
    assert lines[-1][:3] == ["not", "set:", "vendors,"]
