"""The addresses of RoCE ports."""

import pytest

from rdma_dp.doctor.check import Verdict
from simulator.host import sample_names
from tests.conftest import Fresh, Sample
from tests.paths import CONFIGS
from tests.unit.doctor.ailing import ailing, seen
from tests.unit.doctor.twins import ill, told

ALL_HCAS = CONFIGS / "none.yaml"
TEXT = (
    "port 1 has only link-local GIDs: its netdev has no address, so pods with hostNetwork cannot"
    " connect to other nodes"
)


def test_ports_with_link_local_gids_alone_are_a_warning(sample: Sample) -> None:
    """H16: a port that is down is not reported, and a VF gets its address in the pod."""
    result = seen("fabric-addresses", sample("link-local"))
    assert told(result) == [f"warn mlx5_0: {TEXT}", f"warn mlx5_1: {TEXT}"]
    assert result.remedy == (
        "ip addr add ADDRESS/PREFIX dev ens1f0np0",
        "ip addr add ADDRESS/PREFIX dev ens1f1np1",
    )


@pytest.mark.parametrize("name", sorted({*sample_names()} - {"link-local"}))
def test_other_hosts_have_no_warning(name: str, sample: Sample) -> None:
    """InfiniBand, iWARP and EFA have no such addresses. An interface elsewhere shows none."""
    elsewhere = name == "no-host-network"
    verdict = seen("fabric-addresses", sample(name), ALL_HCAS).verdict
    assert verdict is (Verdict.UNKNOWN if elsewhere else Verdict.OK)


def test_the_address_belongs_on_the_bond(fresh: Fresh) -> None:
    result = ill(fresh, "fabric-addresses", "roce-bond", "addresses: false")
    assert result.remedy == ("ip addr add ADDRESS/PREFIX dev bond0",)


def test_an_ipv6_address_is_enough(fresh: Fresh) -> None:
    gid = "files: {ports/1/gids/2: '2001:0db8:0000:0000:0000:0000:0000:0001'}"
    patch = f"functions: {{0000:3b:00.0: {{hcas: {{mlx5_0: {{{gid}}}}}}}}}"
    result = seen("fabric-addresses", fresh(ailing("link-local", patch)).root)
    assert [each.subject for each in result.findings] == ["mlx5_1"]


def test_a_vf_in_a_virtual_machine_needs_an_address(fresh: Fresh) -> None:
    """H16: there it is the port of the machine."""
    result = ill(fresh, "fabric-addresses", "azure-vf", "addresses: false")
    assert [each.verdict for each in result.findings] == [Verdict.WARN]
