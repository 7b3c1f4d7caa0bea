"""What a container can do with the nodes that it has, and what it cannot. Tests only the kernel."""

from tests.heavy.vm.inside.container import Container
from tests.heavy.vm.inside.fabric import FABRIC_A, FABRIC_B


def test_without_nodes_there_is_no_hca() -> None:
    shown = Container([]).run("ibv_devinfo")

    assert shown.returncode != 0
    assert "No IB devices found" in shown.stderr


def test_without_its_nodes_an_hca_cannot_be_used() -> None:
    elsewhere = Container(FABRIC_B.nodes)
    refused = elsewhere.run("ibv_rc_pingpong", "--ib-dev", FABRIC_A.name)

    assert refused.returncode != 0
    assert f"IB device {FABRIC_A.name} not found" in refused.stderr
