from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator import host
from tests.unit.simulator.host.trees import dangling, links, text


@settings(max_examples=30)
@given(st.integers(min_value=0, max_value=2000), st.booleans())
def test_a_made_host_has_as_many_hcas_as_asked(count: int, vfs: bool) -> None:
    manifest = host.generate(count, vfs=vfs, others=5)
    hcas = [hca for function in manifest.functions.values() for hca in function.hcas]
    assert hcas == [f"mlx5_{index}" for index in range(count)]
    assert len(manifest.functions) == count + 5


def test_a_made_host_spreads_over_domains_and_numa_nodes(root: Path) -> None:
    host.build(host.generate(64), root)
    functions = [link / "device" for link in links(root, "sys/class/infiniband")]
    assert len(functions) == 64
    assert {text(function / "numa_node") for function in functions} == {"0", "1"}
    assert len({function.resolve().name[:4] for function in functions}) > 1
    for kind in ("infiniband_verbs", "infiniband_mad"):
        assert len(links(root, f"sys/class/{kind}")) == 64
    assert len(links(root, "sys/bus/pci/drivers/nvme")) == 32 + 1  # and the link to its module


@pytest.mark.parametrize("vfs", [False, True])
def test_a_made_host_of_512_has_no_dangling_links(vfs: bool, root: Path) -> None:
    host.build(host.generate(512, vfs=vfs), root)
    assert len(links(root, "sys/class/infiniband")) == 512
    assert dangling(root) == set()
    physfns = {text(p / "device") for p in links(root, "sys/bus/pci/drivers/mlx5_core")[:-1]}
    assert physfns == ({"0x1021", "0x101e"} if vfs else {"0x1021"})


def test_node_guids_differ(root: Path) -> None:
    host.build(host.generate(200, vfs=True), root)
    guids = {text(link / "node_guid") for link in links(root, "sys/class/infiniband")}
    assert len(guids) == 200
