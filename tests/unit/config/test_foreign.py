"""C6: a config of another plugin is named, with the keys here that take the place of its keys."""

import json
from typing import Any

import pytest

from rdma_dp.config import ConfigError, parse
from tests.unit.config.texts import entry, refused, text, warned

SRIOV_ENTRY = {
    "resourcePrefix": "rdma",
    "resourceName": "ib",
    "deviceType": "netDevice",
    "excludeTopology": True,
    "selectors": {
        "vendors": ["15b3"],
        "devices": ["101e"],
        "rootDevices": ["0000:86:00.0"],
        "linkTypes": ["infiniband"],
        "isRdma": True,
        "needVhostNet": True,
        "vdpaType": "vhost",
    },
}


def named(data: Any) -> str:
    ((path, message),) = refused(json.dumps(data)).items()
    assert path == ""
    return message


@pytest.mark.parametrize("listed", [False, True])
def test_the_sriov_plugins_config_is_named_with_the_keys_that_take_its_place(listed: bool) -> None:
    entries = dict(SRIOV_ENTRY)
    if listed:
        entries["selectors"] = [SRIOV_ENTRY["selectors"]]
    problems = refused(json.dumps({"resourceList": [entries, entries]}))
    message = problems.pop("")
    assert message.startswith('is a config of the SR-IOV network device plugin ("resourceList")')
    assert '"resourceList" becomes "configList"' in message
    assert 'each entry needs "rdmaHcaMax"' in message
    selectors = "resourceList[0].selectors" + "[0]" * listed
    beginnings = {
        "resourceList[0].deviceType": '"deviceType" is not needed',
        "resourceList[0].excludeTopology": '"excludeTopology" becomes "topology": false',
        f"{selectors}.devices": '"devices" becomes "deviceIDs"',
        f"{selectors}.rootDevices": '"rootDevices" becomes "pfNames"',
        f"{selectors}.isRdma": '"isRdma" is not needed',
        f"{selectors}.needVhostNet": '"needVhostNet" has no counterpart',
        f"{selectors}.vdpaType": '"vdpaType" has no counterpart',
    }
    assert problems.keys() == beginnings.keys()
    assert all(problems[place].startswith(said) for place, said in beginnings.items())


def test_the_sriov_plugins_keys_in_a_config_are_warned_of_with_what_takes_their_place() -> None:
    selectors = {"vendors": ["15b3"], "devices": ["101e"], "isRdma": True, "needVhostNet": True}
    warnings = warned(text(entry(selectors=selectors, excludeTopology=True)))
    place = "configList[0].selectors"
    assert (
        '"devices" of the SR-IOV network device plugin becomes "deviceIDs"'
        in (warnings[f"{place}.devices"])
    )
    assert "its place is" not in warnings[f"{place}.devices"]
    assert "is not needed" in warnings[f"{place}.isRdma"]
    assert "has no counterpart" in warnings[f"{place}.needVhostNet"]
    assert '"topology": false' in warnings["configList[0].excludeTopology"]


@pytest.mark.parametrize(
    ("data", "whose", "said"),
    [
        ({"mode": "hca"}, "Mellanox k8s-rdma-sriov-dev-plugin", '"resourceName": "hca"'),
        (
            {"mode": "sriov", "pfNetdevices": ["ib0"]},
            "Mellanox k8s-rdma-sriov-dev-plugin",
            '"pfNames": [...]',
        ),
        (
            {"pfNetdevices": ["ib0"]},
            'Mellanox k8s-rdma-sriov-dev-plugin ("pfNetdevices"), not',
            '"resourceName": "vhca"',
        ),
        (
            {"devices": [{"name": "a", "groups": [{"paths": [{"path": "/dev/infiniband/*"}]}]}]},
            "generic-device-plugin",
            "configList",
        ),
        (
            {"version": "v1", "flags": {}, "sharing": {"timeSlicing": {}}},
            "NVIDIA's GPU device plugin",
            "it shares GPUs",
        ),
        (
            {"cniVersion": "0.3.1", "type": "host-device", "device": "ib0"},
            'CNI ("host-device")',
            "NetworkAttachmentDefinition",
        ),
        ([{"devicematch": "^rdma", "nummaxdevices": 9}], "smarter-device-manager", "rdmaHcaMax"),
    ],
)
def test_another_programs_config_is_named(data: Any, whose: str, said: str) -> None:
    """C6: with the key that it was known by."""
    message = named(data)
    assert message.startswith(f"is a config of {whose}")
    assert said in message


@pytest.mark.parametrize("data", [{}, [], [1], {"version": 1}, {"resources": []}, {"x": None}])
def test_an_unknown_config_gets_the_usual_problems(data: Any) -> None:
    assert "is a config of" not in str(refused(json.dumps(data)))


def test_devices_at_the_top_are_not_called_those_of_the_sriov_plugin() -> None:
    """C6: a key has a place, and only selectors can have those of that plugin."""
    with pytest.raises(ConfigError) as caught:
        parse('{"devices": ["w0"]}')
    (warning,) = caught.value.warnings
    assert warning.hint == 'its place is "configList[].devices"'
