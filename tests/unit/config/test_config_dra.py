"""What a config says about DRA: `via` of a resource, and `dra`."""

from typing import Any

import pytest

from rdma_dp.config import DraSettings, DraSlots, LinkDown, Via
from tests.unit.config.texts import accepted, entry, refused, text, warned

OURS = entry(via="dra")


def settings(**dra: Any) -> DraSettings:
    return accepted(text(OURS, dra=dra)).config.dra


def test_without_a_word_every_resource_is_a_device_plugin() -> None:
    found = accepted(text(entry())).config
    assert found.config_list[0].via is Via.PLUGIN
    assert not found.uses_dra
    assert found.dra == DraSettings() == settings()
    assert found.dra.driver_name == "hca.rdma-dp.dev"
    assert (found.dra.link_down, found.dra.slots) == (LinkDown.NO_SCHEDULE, DraSlots.SHARED)
    assert (found.dra.claim_status, dict(found.dra.pcie_roots)) == (False, {})


def test_a_resource_via_dra() -> None:
    found = accepted(text(entry(), entry(resourceName="b", via="dra"))).config
    assert [each.via for each in found.config_list] == [Via.PLUGIN, Via.DRA]
    assert found.uses_dra


def test_each_setting() -> None:
    found = settings(
        driverName="rdma.example.com",
        linkDown="none",
        pcieRoots={"0002:03:00.0": "pci0009:00"},
        claimStatus=True,
        slots="each",
    )
    assert (found.driver_name, found.link_down) == ("rdma.example.com", LinkDown.NONE)
    assert (found.claim_status, found.slots) == (True, DraSlots.EACH)
    assert dict(found.pcie_roots) == {"0002:03:00.0": "pci0009:00"}


@pytest.mark.parametrize(
    ("top", "place"),
    [
        ({"dra": {"linkDown": "noschedule"}}, "dra.linkDown"),
        ({"dra": {"Slots": "Each"}}, "dra.slots"),
        ({"dra": {"drivername": "a.b"}}, "dra.drivername"),
    ],
)
def test_another_spelling_is_read_with_a_warning(top: dict[str, Any], place: str) -> None:
    assert place in warned(text(OURS, **top))


def test_via_in_capitals_is_read_with_a_warning() -> None:
    assert "configList[0].via" in warned(text(entry(via="DRA")))


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("driverName", "Hca.Example.com", "is not a DNS name"),
        ("driverName", "a_b.example.com", "is not a DNS name"),
        ("driverName", "a." * 31 + "com", "has 65 characters, Kubernetes allows 63"),
        ("driverName", "", "is not a DNS name"),
        ("linkDown", "NoExecute", "none"),
        ("slots", "many", "shared"),
        ("claimStatus", "perhaps", ""),
        ("pcieRoots", ["0002:03:00.0"], ""),
    ],
)
def test_a_wrong_value_is_refused(key: str, value: Any, said: str) -> None:
    assert said in refused(text(OURS, dra={key: value}))[f"dra.{key}"]


@pytest.mark.parametrize(
    ("address", "root", "said"),
    [
        ("03:00.0", "pci0009:00", 'is not spelled as the kernel does (write "0000:03:00.0")'),
        ("0002:0A:00.0", "pci0009:00", 'write "0002:0a:00.0"'),
        ("0002:03:*", "pci0009:00", "is not a PCI address"),
        ("0002:03:00.0-7", "pci0009:00", "is not a PCI address"),
        ("mlx5_0", "pci0009:00", "is not a PCI address"),
        ("0002:03:00.0", "0009:00", "is not a PCIe root"),
        ("0002:03:00.0", "PCI0009:00", 'write "pci0009:00"'),
        ("0002:03:00.0", "pci0009:00/0009:00:00.0", "is not a PCIe root"),
    ],
)
def test_a_wrong_pcie_root_is_refused(address: str, root: str, said: str) -> None:
    found = refused(text(OURS, dra={"pcieRoots": {address: root}}))
    assert said in " ".join(found.values()), found
    assert all(place.startswith("dra.pcieRoots") for place in found)


def test_all_problems_come_at_once() -> None:
    found = refused(text(entry(via="claim"), dra={"slots": 3, "driverName": "_"}))
    assert set(found) == {"configList[0].via", "dra.slots", "dra.driverName"}


def test_an_unknown_key_names_the_near_one() -> None:
    (warning,) = warned(text(OURS, dra={"drivrName": "a.b"})).values()
    assert 'did you mean "driverName"?' in warning


# --- rules --------------------------------------------------------------------------------------


def test_two_resources_via_dra_need_different_names_whatever_their_prefix() -> None:
    both = entry(via="dra"), entry(via="dra", resourcePrefix="example.com")
    assert "which is offered by DRA too" in refused(text(*both))["configList[1].resourceName"]
    warned(text(both[0], entry(resourcePrefix="example.com")))


def test_a_device_for_each_slot_limits_the_slots() -> None:
    many = entry(via="dra", rdmaHcaMax=1025)
    found = refused(text(many, dra={"slots": "each"}))
    assert "1025 must be at most 1024" in found["configList[0].rdmaHcaMax"]
    accepted(text(many))
    accepted(text(entry(rdmaHcaMax=1025), dra={"slots": "each"}))
    accepted(text(entry(via="dra", rdmaHcaMax=1024), dra={"slots": "each"}))


def test_settings_of_kubelets_list_have_no_effect() -> None:
    changed = entry(via="dra", slotsPer="hca", deviceInfo=True, topology=True, preference="pack")
    said = 'has no effect with "via": "dra"'
    shared, each = warned(text(changed)), warned(text(changed, dra={"slots": "each"}))
    assert [place for place, text in shared.items() if said in text] == [
        f"configList[0].{key}" for key in ("deviceInfo", "topology", "preference")
    ]
    assert "configList[0].preference" not in each
    assert not warned(text({**changed, "via": "plugin"}))
