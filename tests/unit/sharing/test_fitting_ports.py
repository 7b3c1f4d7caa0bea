"""The ports that the selectors fit: health, warnings and variables are those of these ports."""

import json
from dataclasses import replace
from typing import Any

import pytest

from rdma_dp.config import EnvForm, parse
from rdma_dp.inventory.hardware import Hca, NetDevice, PciFunction, Port
from rdma_dp.inventory.verdicts import UnhealthyCode
from rdma_dp.sharing.advice import resource_warnings
from rdma_dp.sharing.allocation import grant
from rdma_dp.sharing.pool import Pool
from rdma_dp.sharing.selection import ports_taken
from tests.makers import SYSTEM, hca, pool, resource

VPI = hca(
    name="mlx4_0",
    functions=(PciFunction("0000:03:00.0", "15b3", "1003", 0x028000, "mlx4_core", 0),),
    pf_names=("ib0", "eth2", "card0p2"),
    ports=(
        Port(1, "ACTIVE", "LinkUp", "InfiniBand", 40.0, ("ib0",)),
        Port(2, "DOWN", "Disabled", "Ethernet", 40.0, ("eth2",)),
    ),
    netdevs=(NetDevice("ib0", "infiniband"), NetDevice("eth2", "ether", altnames=("card0p2",))),
)


def of(one: Hca, **selectors: Any) -> Pool:
    env = {"UCX_NET_DEVICES": EnvForm.PORTS, "NCCL_IB_HCA": EnvForm.HCAS}
    return pool(one, of=replace(resource(**selectors), env=env))


def variable(found: Pool) -> str:
    return grant(found).envs["UCX_NET_DEVICES"]


@pytest.mark.parametrize(
    ("selectors", "ports"),
    [
        ({"linkTypes": ["infiniband"]}, (1,)),
        ({"linkTypes": ["ether"]}, (2,)),
        ({"ifNames": ["eth2"]}, (2,)),
        ({"ifNames": ["eth*"]}, (2,)),
        ({"ifNames": ["card0p2"]}, (2,)),
        ({"pfNames": ["eth2"]}, (2,)),
        ({"pfNames": ["card0p2"]}, (2,)),
        ({"ifNames": ["ib0", "eth2"], "linkTypes": ["ether"]}, (2,)),
        ({"vendors": ["15b3"], "ifNames": ["ib0"]}, (1,)),
    ],
)
def test_a_selector_about_a_port_takes_this_port(
    selectors: dict[str, Any], ports: tuple[int, ...]
) -> None:
    """C11: the HCA is handed out as a whole, but the resource means one of its ports."""
    found = of(VPI, **selectors)
    assert found.selection.ports == {"mlx4_0": ports}
    assert ports_taken([found.selection]) == {"mlx4_0": {"rdma/hca": ports}}
    assert variable(found) == ",".join(f"mlx4_0:{number}" for number in ports)
    assert grant(found).envs["NCCL_IB_HCA"] == f"={variable(found)}"
    assert grant(found).envs["RDMA_DP_HCA_HCAS"] == "mlx4_0"


@pytest.mark.parametrize(
    "selectors",
    [
        {"vendors": ["15b3"]},
        {"drivers": ["mlx4_core"]},
        {"pciAddresses": ["0000:03:00.0"]},
        {"rdmaDevices": ["mlx4_0"]},
        {"functionTypes": ["pf"]},
        {"numaNodes": [0]},
        {"linkTypes": ["ether", "infiniband"]},
        {"ifNames": ["ib0", "eth2"]},
        {"ifNames": ["ib0"], "linkTypes": ["ether"]},  # no port fits both
    ],
)
def test_a_selector_about_the_hca_takes_all_ports(selectors: dict[str, Any]) -> None:
    found = of(VPI, **selectors)
    assert (found.hcas, found.selection.ports) == ((VPI,), {})
    assert variable(found) == "mlx4_0:1,mlx4_0:2"
    assert found.all_healthy


def test_a_netdev_without_a_known_port_takes_all_ports() -> None:
    stray = hca(ports=(Port(1, "ACTIVE"), Port(2, "ACTIVE")), netdevs=(NetDevice("eth0", "ether"),))
    assert of(stray, ifNames=["eth0"]).hcas == (stray,)


def test_the_port_that_is_down_makes_the_slots_unhealthy() -> None:
    """C11: a resource that was chosen by the DOWN port was healthy by the ACTIVE one."""
    down, up = of(VPI, ifNames=["eth2"]), of(VPI, ifNames=["ib0"])
    (group,) = down.in_use
    assert group.health.reason is not None
    assert group.health.reason.code is UnhealthyCode.NO_ACTIVE_PORT
    assert group.health.reason.text == "no ACTIVE port: mlx4_0 port 2 is DOWN"
    assert "no active port: mlx4_0 port 2 is DOWN" in resource_warnings(down.selection, SYSTEM)
    assert (up.all_healthy, resource_warnings(up.selection, SYSTEM)) == (True, ())


def test_a_resource_of_one_link_type_mixes_none() -> None:
    infiniband = hca(
        1,
        device="1003",
        ports=(Port(1, "ACTIVE", "LinkUp", "InfiniBand", 40.0, ("ib1",)),),
        netdevs=(NetDevice("ib1", "infiniband"),),
    )
    found = pool(VPI, infiniband, of=resource(linkTypes=["infiniband"]))
    assert {hca.link_types for hca in found.hcas} == {("infiniband",)}


def test_any_set_of_selectors_can_mean_a_port() -> None:
    sets = [{"ifNames": ["eth2"]}, {"vendors": ["8086"]}]
    entry = {"resourceName": "a", "rdmaHcaMax": 1, "selectors": sets}
    (several,) = parse(json.dumps({"configList": [entry]})).config.config_list
    assert pool(VPI, of=several).selection.ports == {"mlx4_0": (2,)}
    entry["selectors"] = [*sets, {"ifNames": ["ib0"]}]
    (both,) = parse(json.dumps({"configList": [entry]})).config.config_list
    assert pool(VPI, of=both).selection.ports == {}


def test_a_vf_has_all_ports_by_the_names_of_its_pf() -> None:
    vf = PciFunction("0000:03:00.1", "15b3", "1004", physfn="0000:03:00.0", vf=0)
    ports = (Port(1, "ACTIVE"), Port(2, "ACTIVE"))
    one = hca(name="mlx4_1", functions=(vf,), pf_names=("ib0", "eth2"), ports=ports, netdevs=())
    assert of(one, pfNames=["eth2"]).hcas == (one,)


def test_exclude_leaves_out_the_hca_with_all_its_ports() -> None:
    assert not of(VPI, vendors=["15b3"], exclude={"ifNames": ["eth2"]}).hcas
