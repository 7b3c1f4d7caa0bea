"""RDMA netlink fills in what sysfs lacks, and is believed where both speak."""

from rdma_dp.discovery import scan
from rdma_dp.host.files import Host
from rdma_dp.host.netlink.backends import RecordedNetlink
from rdma_dp.host.netlink.values import NetlinkView, NldevDevice
from rdma_dp.inventory.hardware import Hca
from tests.conftest import Sample


def hcas(sample: Sample, name: str, *told: NldevDevice, mode: str | None = None) -> dict[str, Hca]:
    view = NetlinkView(mode, {device.name: device for device in told})
    return {hca.name: hca for hca in scan(Host(sample(name), RecordedNetlink(view))).hcas}


def by_port(hca: Hca) -> dict[int, tuple[str, ...]]:
    return {port.number: port.netdevs for port in hca.ports}


def test_netlink_says_which_port_a_netdev_belongs_to(sample: Sample) -> None:
    told = NldevDevice("mana_0", netdevs={1: "enP30832s1d1", 2: "enP30832s1"})
    hca = hcas(sample, "mana", told)["mana_0"]
    assert by_port(hca) == {1: ("enP30832s1d1",), 2: ("enP30832s1",)}


def test_what_netlink_leaves_out_is_taken_from_sysfs(sample: Sample) -> None:
    told = NldevDevice("mana_0", netdevs={2: "enP30832s1d1"})
    hca = hcas(sample, "mana", told)["mana_0"]
    assert by_port(hca) == {1: ("enP30832s1",), 2: ("enP30832s1d1",)}


def test_netlink_finds_a_netdev_on_another_function(sample: Sample) -> None:
    told = NldevDevice("mlx5_0", netdevs={1: "enp196s0f0np0", 2: "enp196s0f1np1"})
    hca = hcas(sample, "multiport-roce", told)["mlx5_0"]
    assert by_port(hca)[2] == ("enp196s0f1np1",)
    assert [f.address for f in hca.functions] == ["0000:c4:00.0", "0000:c4:00.1"]


def test_a_slave_told_by_netlink_brings_its_bond_along(sample: Sample) -> None:
    told = NldevDevice("mlx5_bond_0", netdevs={1: "ens2f0np0"})  # as kernel 6.12 answers
    hca = hcas(sample, "roce-bond", told)["mlx5_bond_0"]
    assert {n.name for n in hca.netdevs} == {"bond0", "ens2f0np0", "ens2f1np1"}
    assert len(hca.functions) == 2


def test_a_representor_told_by_netlink_is_no_match_either(sample: Sample) -> None:
    told = NldevDevice("mlx5_0", netdevs={1: "enp8s0f0np0", 2: "enp8s0f0_0", 3: "en8f0pf0sf7"})
    hca = hcas(sample, "switchdev", told)["mlx5_0"]
    assert [netdev.name for netdev in hca.netdevs] == ["enp8s0f0np0"]


def test_a_netdev_that_has_just_gone_is_left_out(sample: Sample) -> None:
    hca = hcas(sample, "soft", NldevDevice("siw0", netdevs={1: "gone0"}))["siw0"]
    assert "gone0" not in {netdev.name for netdev in hca.netdevs}


def test_the_protocol_is_known_from_netlink_only(sample: Sample) -> None:
    found = hcas(sample, "hfi1-opa", NldevDevice("hfi1_0", protocol="opa"))
    assert found["hfi1_0"].protocol == "opa"
    assert hcas(sample, "hfi1-opa")["hfi1_0"].protocol is None


def test_netlink_names_whom_an_smi_companion_serves(sample: Sample) -> None:
    told = NldevDevice("smi0", smi=True, smi_parent="mlx5_0")
    assert "mlx5_0" in str(hcas(sample, "gb300", told)["smi0"].ineligible)


def test_an_smi_companion_whose_served_hca_is_not_to_be_seen(sample: Sample) -> None:
    told = NldevDevice("mlx5_0", smi=True, smi_parent="mlx5_7")
    reason = hcas(sample, "no-uverbs", told)["mlx5_0"].ineligible
    assert str(reason) == "no uverbs: it only serves mlx5_7 for subnet management (SMI)"


def test_netlinks_netns_mode_goes_before_the_modules_parameter(sample: Sample) -> None:
    inventory = scan(Host(sample("seed"), RecordedNetlink(NetlinkView("exclusive"))))
    assert inventory.system.netns_mode == "exclusive"
    assert not any(hca.shareable for hca in inventory.hcas)
    inventory = scan(Host(sample("exclusive-netns"), RecordedNetlink(NetlinkView("shared"))))
    assert all(hca.shareable for hca in inventory.hcas)


def test_an_hca_that_only_netlink_knows_is_not_invented(sample: Sample) -> None:
    assert "mlx5_77" not in hcas(sample, "seed", NldevDevice("mlx5_77"))
