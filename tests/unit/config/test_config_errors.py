"""What the Go plugin handles wrongly, or kubelet refuses, is an error. All errors come at once."""

from typing import Any

import pytest

from rdma_dp.config import ConfigError, parse
from rdma_dp.formats.list_size import MOST_SLOTS
from tests.unit.config.texts import ENTRY, accepted, entry, refused, text, warned


@pytest.mark.parametrize(
    "name", ["a", "A", "0", "rdma_shared_device_a", "a-b.c_d", "x" * 63, "Kubelet", "kubelet2"]
)
def test_names_that_kubernetes_accepts(name: str) -> None:
    assert accepted(text(entry(resourceName=name))).config.config_list[0].resource_name == name


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "not a name that Kubernetes accepts"),
        ("-a", "not a name that Kubernetes accepts"),
        ("a_", "not a name that Kubernetes accepts"),
        ("a b", "not a name that Kubernetes accepts"),
        ("ä", "not a name that Kubernetes accepts"),
        ("a\nb", "holds a character that cannot be printed"),
        ("..", "not a name that Kubernetes accepts"),
        ("x" * 64, "has 64 characters, Kubernetes allows 63"),
        ("rdma/a", 'the part before it is "resourcePrefix"'),
        ("kubelet", "kubelet.sock"),
    ],
)
def test_names_that_kubelet_would_refuse(name: str, said: str) -> None:
    assert said in refused(text(entry(resourceName=name)))["configList[0].resourceName"]


@pytest.mark.parametrize("prefix", ["rdma", "a", "nvidia.com", "x-y.0", "requests", "p" * 244])
def test_prefixes_that_kubernetes_accepts(prefix: str) -> None:
    resource = accepted(text(entry(resourcePrefix=prefix))).config.config_list[0]
    assert resource.full_name == f"{prefix}/a"


@pytest.mark.parametrize(
    ("prefix", "said"),
    [
        ("Rdma", "not a DNS name"),
        ("a_b", "not a DNS name"),
        ("a..b", "not a DNS name"),
        ("rdma/", "not a DNS name"),
        ("Bad Prefix/..", "not a DNS name"),
        ("-a", "not a DNS name"),
        ("p" * 245, "has 245 characters, Kubernetes allows 244"),
        ("kubernetes.io", "reserved by Kubernetes"),
        ("x.kubernetes.io", "reserved by Kubernetes"),
        ("requests.rdma", "reserved by Kubernetes"),
    ],
)
def test_prefixes_that_kubelet_would_refuse(prefix: str, said: str) -> None:
    assert said in refused(text(entry(resourcePrefix=prefix)))["configList[0].resourcePrefix"]


def test_the_same_full_name_twice() -> None:
    config = text(ENTRY, entry(resourceName="b"), entry(resourcePrefix="rdma"))
    assert refused(config) == {
        "configList[2].resourceName": '"rdma/a" is already the name of configList[0] '
        '(for HCAs that match any of several sets, keep one resource: "selectors": [{...}, {...}];'
        " for two resources, choose another name, or another resourcePrefix)"
    }


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("0", "0 must be at least 1"),
        ("-5", "-5 must be at least 1"),
        (f"{MOST_SLOTS + 1}", f"must be at most {MOST_SLOTS} (kubelet accepts no list"),
        ("5000000", "4194304 bytes"),
        ("9" * 5000, "must be at most"),
        ("63.0", "must be a whole number, not the number 63.0"),
        ("6e1", "must be a whole number, not the number 60.0"),
        ("true", "must be a whole number, not the boolean true"),
        ('"63"', 'must be a whole number, not the string "63" (for example "rdmaHcaMax": 63)'),
        ("[63]", "must be a whole number, not a list"),
        ("null", 'is missing (for example "rdmaHcaMax": 63)'),
    ],
    ids=lambda text: text[:20],
)
def test_rdma_hca_max_is_a_sensible_whole_number(written: str, said: str) -> None:
    config = text(ENTRY).replace("63", written)
    assert said in refused(config)["configList[0].rdmaHcaMax"]


def test_a_number_of_any_length_is_too_large_in_yaml_as_well() -> None:
    yaml = f"configList: [{{resourceName: a, rdmaHcaMax: {'9' * 5000}, devices: [x]}}]"
    message = refused(yaml)["configList[0].rdmaHcaMax"]
    assert f"must be at most {MOST_SLOTS}" in message


def test_the_largest_list_that_kubelet_takes_is_accepted() -> None:
    (resource,) = accepted(text(entry(rdmaHcaMax=MOST_SLOTS))).config.config_list
    assert resource.rdma_hca_max == MOST_SLOTS


@pytest.mark.parametrize("interval", [-1, 2**31, 1.5, "60", True, []])
def test_periodic_update_interval_is_a_number_of_seconds(interval: Any) -> None:
    message = refused(text(ENTRY, periodicUpdateInterval=interval))["periodicUpdateInterval"]
    assert message.startswith("must be ")
    assert message.endswith('(for example "periodicUpdateInterval": 60)')


def test_selectors_and_devices_together() -> None:
    message = refused(text(entry(devices=["ib0"])))["configList[0].devices"]
    assert message.startswith('cannot be used together with "selectors"')


@pytest.mark.parametrize("selectors", [None, {}, {"vendors": []}, {"vendor": ["15b3"]}])
@pytest.mark.parametrize("devices", [None, []])
def test_neither_selectors_nor_devices(selectors: Any, devices: Any) -> None:
    message = refused(text(entry(selectors=selectors, devices=devices)))["configList[0].selectors"]
    assert message.startswith("does not say which HCAs to take")


@pytest.mark.parametrize("wrong", [0, 5, "", False])
@pytest.mark.parametrize("place", ["selectors", "numaNodes", "ifNames", "devices"])
def test_a_value_of_the_wrong_type_is_not_reported_as_missing(place: str, wrong: Any) -> None:
    path = place if place in ("selectors", "devices") else f"selectors.{place}"
    selectors = wrong if place == "selectors" else {place: wrong}
    entries = entry(selectors=None if place == "devices" else selectors)
    entries |= {"devices": wrong} if place == "devices" else {}
    problems = refused(text(entries))
    assert list(problems) == [f"configList[0].{path}"]
    assert problems[f"configList[0].{path}"].startswith("must be a")


@pytest.mark.parametrize("odd", ["\ud800", "\u001b[31m", "a\nb", "ens\u00a01", "\x7f"])
def test_text_that_cannot_be_printed_is_refused(odd: str) -> None:
    said = "holds a character that cannot be printed"
    for selector in ("ifNames", "drivers", "rdmaDevices", "pfNames", "vendors", "pciAddresses"):
        place = f"configList[0].selectors.{selector}"
        problems = refused(text(entry(selectors={selector: [f"x{odd}x"]})))
        assert said in problems[f"{place}[0]"]
    assert said in refused(text(entry(resourceName=f"x{odd}x")))["configList[0].resourceName"]
    assert said in refused(text(entry(resourcePrefix=f"x{odd}x")))["configList[0].resourcePrefix"]
    assert (
        said
        in refused(text(entry(selectors=None, devices=[f"x{odd}x"])))["configList[0].devices[0]"]
    )
    (problem,) = refused(text(entry(env={f"x{odd}x": "hcas"}))).values()
    assert said in problem


def test_text_that_cannot_be_printed_is_dropped_from_a_list_with_a_valid_one() -> None:
    config = text(entry(selectors={"ifNames": ["eth0", "\u001b[31m"]}))
    assert accepted(config).config.config_list[0].selector_sets[0].if_names == ("eth0",)
    (warning,) = warned(config).values()
    assert "cannot be printed; it matches nothing" in warning
    assert warning.isprintable()


def test_letters_of_any_alphabet_can_be_printed() -> None:
    config = text(entry(selectors={"ifNames": ["größe0", "网0"]}))
    assert warned(config) == {}


@pytest.mark.parametrize("blanks", [[""], [" ", None]])
def test_nothing_but_blanks_must_not_match_everything(blanks: Any) -> None:
    message = refused(text(entry(selectors={"drivers": blanks})))["configList[0].selectors.drivers"]
    assert message.startswith("holds only blanks")


@pytest.mark.parametrize(
    ("selector", "value", "said"),
    [
        ("vendors", "mellanox", 'the vendor ID of mellanox is "15b3"'),
        ("vendors", "15b3:101b", '"deviceIDs": ["101b"]'),
        ("vendors", "015b3", "is not a PCI vendor ID"),
        ("vendors", "15g3", "is not a PCI vendor ID"),
        ("deviceIDs", "ConnectX-6", "is not a PCI device ID"),
        ("deviceIDs", "0x", "is not a PCI device ID"),
        ("linkTypes", "infinband", 'did you mean "infiniband"?'),
        ("linkTypes", "loopback", "one of ether, infiniband"),
    ],
)
def test_values_that_can_match_nothing(selector: str, value: str, said: str) -> None:
    problems = refused(text(entry(selectors={selector: ["", value]})))
    message = problems[f"configList[0].selectors.{selector}[1]"]
    assert message.startswith(f'"{value}" ')
    assert said in message


WRONG_TYPES: list[tuple[Any, str, str]] = [
    ("a", "configList[0]", 'must be an object, not the string "a"'),
    (None, "configList[0]", "must be an object, not null"),
    ([], "configList[0]", "must be an object, not a list"),
    (entry(resourceName=5), "configList[0].resourceName", "must be a string, not the number 5"),
    (entry(resourcePrefix={}), "configList[0].resourcePrefix", "must be a string, not an object"),
    (entry(selectors=["x"]), "configList[0].selectors[0]", 'must be an object, not the string "x"'),
    (entry(selectors="x"), "configList[0].selectors", 'must be an object, not the string "x"'),
    (
        entry(selectors={"vendors": "15b3"}),
        "configList[0].selectors.vendors",
        'must be a list, not the string "15b3" (for example "vendors": ["15b3"])',
    ),
    (
        entry(selectors={"deviceIDs": [1021]}),
        "configList[0].selectors.deviceIDs[0]",
        "must be a string, not the number 1021",
    ),
    (
        entry(selectors={"ifNames": {"a": 1}}),
        "configList[0].selectors.ifNames",
        "must be a list, not an object",
    ),
    (
        entry(selectors=None, devices="ib0"),
        "configList[0].devices",
        'must be a list, not the string "ib0" (for example "devices": ["ens1f0np0"])',
    ),
]


@pytest.mark.parametrize(("value", "path", "said"), WRONG_TYPES)
def test_wrong_types(value: Any, path: str, said: str) -> None:
    problems = refused(text(value))
    assert list(problems) == [path]
    assert problems[path].startswith(said)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("{}", "is missing"),
        ('{"configList": null}', "is missing"),
        ('{"configList": []}', "is empty"),
        ('{"configList": {}}', "must be a list, not an object"),
    ],
)
def test_a_config_without_resources(config: str, said: str) -> None:
    assert refused(config)["configList"].startswith(said)


def test_problems_and_warnings_come_all_together_in_the_order_of_the_resources() -> None:
    bad = entry(resourceName="-", rdmaHcaMax=0, selectors={"vendors": ["x"], "Drivers": ["d"]})
    config = text(*[bad] * 11, periodicUpdateInterval=-1)
    with pytest.raises(ConfigError) as caught:
        parse(config)
    each = ("rdmaHcaMax", "resourceName", "selectors.vendors[0]")
    paths = [f"configList[{i}].{key}" for i in range(11) for key in each]
    again = [p.path for p in caught.value.problems if "already the name" in p.message]
    assert again == [f"configList[{i}].resourceName" for i in range(1, 11)]
    first_said = [p.path for p in caught.value.problems if "already the name" not in p.message]
    assert first_said == [*paths, "periodicUpdateInterval"]
    assert [w.path for w in caught.value.warnings] == [
        f"configList[{i}].selectors.Drivers" for i in range(11)
    ]


def test_an_error_reads_as_check_config_prints_it() -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text(entry(rdmaHcaMax=None)))
    line = 'configList[0].rdmaHcaMax: is missing (for example "rdmaHcaMax": 63)'
    assert str(caught.value) == line
    assert caught.value.problems[0].in_file("c.json") == f"c.json:{line}"
