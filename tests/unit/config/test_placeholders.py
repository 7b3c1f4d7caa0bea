"""C4: placeholders that were left in, and names that no device can have."""

import pytest

from rdma_dp.config import ConfigError, parse
from tests.unit.config.texts import accepted, entry, refused, text, warned

PLACEHOLDERS = [
    "<cx7-iface>", "<DEVICE_ID>", "mlx5_<n>", "${ROCE_MASTER}", "$(NIC)", "$NIC",
    "{{ .Values.if }}", "{{nic}}", "{ifname}", "{% nic %}", "#{nic}", "%NIC%", "@NIC@", "__NIC__",
    "YOUR_NIC_HERE", "your-interface", "CHANGEME", "change_me", "REPLACE_WITH_NIC", "put-it-here",
    "interface-name", "network_interface_name", "ifName", "nic name", "device-id", "vendorID",
    "[iface]", "[interface-name]", "TODO", "TBD", "xxx", "XXXX", "xxxx:xx:xx.x", "...",
]  # fmt: skip
NAMES = [
    "eth0", "todo", "yours", "setin", "enx001122334455", "xx", "there0", "atbd0", "method",
    "rdma.w", "w$", "w[ab]", "[a-z]", "interface0", "name", "hca", "namely",
]  # fmt: skip
SELECTORS = [
    "vendors", "deviceIDs", "drivers", "ifNames", "linkTypes", "rdmaDevices", "pciAddresses",
    "pfNames", "functionTypes",
]  # fmt: skip


@pytest.mark.parametrize("placeholder", PLACEHOLDERS)
def test_a_placeholder_is_a_problem_of_every_selector(placeholder: str) -> None:
    for selector in SELECTORS:
        problems = refused(text(entry(selectors={selector: [placeholder]})))
        assert "a placeholder was left in" in problems[f"configList[0].selectors.{selector}[0]"]
        both = {"vendors": ["15b3"], "exclude": {selector: [placeholder]}}
        (problem,) = refused(text(entry(selectors=both))).values()
        assert "a placeholder was left in" in problem


@pytest.mark.parametrize("placeholder", PLACEHOLDERS)
@pytest.mark.parametrize("key", ["resourceName", "resourcePrefix"])
def test_a_placeholder_is_a_problem_of_a_name(key: str, placeholder: str) -> None:
    problems = refused(text(entry(**{key: placeholder})))
    assert "a placeholder was left in" in problems[f"configList[0].{key}"]


@pytest.mark.parametrize(
    "changes",
    [
        {"rdmaHcaMax": "${SLOTS}"},
        {"slotsPer": "<per>"},
        {"topology": "{{ .Values.topology }}"},
        {"selectors": "{{ .Values.selectors }}"},
        {"selectors": {"numaNodes": ["<node>"]}},
        {"selectors": {"ifNames": "<nic>"}},
    ],
)
def test_a_placeholder_in_place_of_another_type_is_one_as_well(changes: dict[str, object]) -> None:
    (problem,) = refused(text(entry(**changes))).values()
    assert "a placeholder was left in" in problem


def test_a_placeholder_beside_a_good_value_matches_nothing_as_other_bad_values_do() -> None:
    config = text(entry(selectors={"ifNames": ["w0", "<nic>"]}))
    message = warned(config)["configList[0].selectors.ifNames[1]"]
    assert "a placeholder was left in; it matches nothing" in message
    assert accepted(config).config.config_list[0].selector_sets[0].if_names == ("w0",)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_like_a_placeholder_is_none(name: str) -> None:
    assert warned(text(entry(selectors={"ifNames": [name]}))) == {}


IMPOSSIBLE = [
    ("ifNames", "a" * 128, "has 128 characters"),
    ("ifNames", "é" * 64, "has 128 characters"),
    ("ifNames", f"{'a' * 128}*", "has 128 characters"),
    ("ifNames", "/sys/class/net/eth0", "holds a slash"),
    ("ifNames", "eth0 eth1", "holds a space"),
    ("ifNames", "eth0:1", 'holds ":"'),
    ("ifNames", ".", "is the name of no interface"),
    ("ifNames", "..", "is the name of no interface"),
    ("pfNames", "a" * 128, "has 128 characters"),
    ("pfNames", "a/b#0-3", "holds a slash"),
    ("rdmaDevices", "a" * 64, "has 64 characters"),
    ("rdmaDevices", "/dev/infiniband/uverbs0", "holds a slash"),
    ("rdmaDevices", "..", "is the name of no HCA"),
    ("drivers", "drivers/mlx5_core", "holds a slash"),
    ("drivers", "mlx5_*", 'holds "*"'),
    ("drivers", ".", "is the name of no driver"),
]


@pytest.mark.parametrize(("selector", "name", "said"), IMPOSSIBLE)
def test_a_name_that_no_device_has_is_refused_or_dropped(
    selector: str, name: str, said: str
) -> None:
    (alone,) = refused(text(entry(selectors={selector: [name]}))).values()
    assert said in alone
    (beside,) = warned(text(entry(selectors={selector: ["w0", name]}))).values()
    assert said in beside
    assert "it matches nothing" in beside


@pytest.mark.parametrize(
    ("selector", "name"),
    [
        ("ifNames", "a" * 127),  # an alternative name
        ("ifNames", "*" * 200),
        ("ifNames", "w[/: ]0"),
        ("rdmaDevices", "a" * 63),
        ("pfNames", f"{'a' * 127}#0-3"),
        ("drivers", "w-pci"),
    ],
)
def test_a_name_that_a_device_can_have_is_taken(selector: str, name: str) -> None:
    assert warned(text(entry(selectors={selector: [name]}))) == {}


@pytest.mark.parametrize(
    ("selector", "value", "said"),
    [
        ("ifNames", "w0,w1", 'holds several values (write one value for each: ["w0", "w1"])'),
        ("ifNames", "w0;w1", 'holds several values (write one value for each: ["w0", "w1"])'),
        (
            "ifNames",
            "w0 w1",
            'holds a space, which no interface has (write one value for each: ["w',
        ),
        ("ifNames", "w0@if2", 'behind which `ip link` shows another interface (only the name: "w0'),
        ("pfNames", "w0@NONE#0-3", '(only the name: "w0")'),
        ("rdmaDevices", "a0, a1", 'write one value for each: ["a0", "a1"'),
        ("drivers", "mlx5_core,ice", 'write one value for each: ["mlx5_core", "ice"'),
        ("vendors", "15b3,8086", 'write one value for each: ["15b3", "8086"'),
        ("deviceIDs", "101b|1021", 'write one value for each: ["101b", "1021"'),
        ("linkTypes", "ether,infiniband", 'write one value for each: ["ether", "infiniband"'),
        ("pciAddresses", "0000:18:00.0,0000:19:00.0", 'write one value for each: ["0000:18:00.0"'),
    ],
)
def test_several_values_in_one_are_named(selector: str, value: str, said: str) -> None:
    """C4: a name with a comma or with what `ip link` adds got no word."""
    config = text(entry(selectors={selector: [value], "numaNodes": [0]}))
    try:
        found = parse(config).warnings
    except ConfigError as error:
        found = error.problems
    assert said in str(found[0])
    excluding = text(entry(selectors={"numaNodes": [0], "exclude": {selector: [value]}}))
    assert said in refused(excluding)[f"configList[0].selectors.exclude.{selector}[0]"]
