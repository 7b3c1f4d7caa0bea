"""How a resource shares its HCAs: slots per HCA, NUMA, CDI and the environment."""

from typing import Any

import pytest

from rdma_dp.config import CdiMode, Config, EnvForm, Preference, Resource, SlotsPer
from rdma_dp.formats.list_size import MOST_SLOTS, most_slots
from rdma_dp.formats.names import DEVICE_INFO_END
from rdma_dp.formats.slot_ids import LONGEST_KEY, PCI_KEY
from rdma_dp.inventory.hardware import PciFunction
from rdma_dp.specs.device_info import documents
from tests.makers import hca, per_hca, pool
from tests.unit.config.texts import ENTRY, accepted, entry, refused, text, warned


def first(config: str) -> Resource:
    return accepted(config).config.config_list[0]


def in_yaml(top: str = "", inside: str = "") -> str:
    return f"{top}\nconfigList: [{{resourceName: a, rdmaHcaMax: 1, devices: [x], {inside}}}]"


def read_yaml(top: str = "", inside: str = "") -> Config:
    return accepted(in_yaml(top, inside)).config


# --- words --------------------------------------------------------------------------------------


def test_without_a_word_everything_is_as_in_the_go_plugin() -> None:
    resource = first(text(ENTRY))
    assert resource.slots_per is SlotsPer.RESOURCE
    assert not resource.per_hca
    assert not resource.tells_topology
    assert not resource.device_info
    assert resource.env == {}
    assert accepted(text(ENTRY)).config.cdi is CdiMode.OFF


def test_slots_per_hca_spread_and_have_their_numa_node() -> None:
    resource = first(text(entry(slotsPer="hca")))
    assert resource.per_hca
    assert resource.tells_topology
    assert resource.preference is Preference.SPREAD


@pytest.mark.parametrize(
    ("slots_per", "topology", "tells"),
    [("resource", True, True), ("hca", False, False), ("hca", None, True)],
)
def test_topology_overrules(slots_per: str, topology: Any, tells: bool) -> None:
    resource = first(text(entry(slotsPer=slots_per, topology=topology)))
    assert resource.tells_topology is tells


@pytest.mark.parametrize(
    ("key", "word", "meant"),
    [("slotsPer", "HCA", SlotsPer.HCA), ("preference", " Pack", Preference.PACK)],
)
def test_the_case_of_a_word_makes_no_difference(key: str, word: str, meant: str) -> None:
    config = text(entry(**{"slotsPer": "hca", key: word}))
    assert getattr(first(config), "slots_per" if key == "slotsPer" else key) is meant
    assert warned(config)[f"configList[0].{key}"] == f'"{word}" is read as "{meant}" (write it so)'


@pytest.mark.parametrize("mode", list(CdiMode))
def test_a_cdi_mode_needs_no_quotes_in_yaml(mode: CdiMode) -> None:
    assert read_yaml(f"cdi: {mode}").cdi is mode
    assert accepted(text(ENTRY, cdi=mode.upper())).config.cdi is mode


@pytest.mark.parametrize("word", ["true", "false", "on", "no"])
def test_a_truth_value_is_no_cdi_mode(word: str) -> None:
    message = refused(in_yaml(f"cdi: {word}"))["cdi"]
    assert message == (
        f'must be one of "off", "cri", "annotations", "both", not the word {word}'
        ' (for example "cdi": "cri")'
    )
    assert "not the boolean true" in refused(text(ENTRY, cdi=True))["cdi"]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("slotsPer", "x", 'must be one of "resource", "hca", not the string "x" (for example '),
        ("slotsPer", 1, 'must be one of "resource", "hca", not the number 1'),
        ("preference", ["pack"], 'must be one of "spread", "pack", not a list'),
        ("deviceInfo", "yes", 'must be true or false, not the string "yes"'),
        ("management", "off", 'must be true or false, not the string "off"'),
        ("topology", 1, "must be true or false, not the number 1"),
    ],
)
def test_other_values_are_refused_with_the_ones_that_work(key: str, value: Any, said: str) -> None:
    assert refused(text(entry(**{key: value})))[f"configList[0].{key}"].startswith(said)


@pytest.mark.parametrize(
    ("key", "value"), [("preference", "pack"), ("preference", "spread"), ("deviceInfo", True)]
)
def test_a_setting_for_slots_per_hca_is_warned_of_without(key: str, value: Any) -> None:
    assert warned(text(entry(**{key: value}))) == {
        f"configList[0].{key}": "has no effect without slots per HCA "
        f'(add "slotsPer": "hca", or remove {key})'
    }
    assert warned(text(entry(**{key: value, "slotsPer": "hca"}))) == {}


def test_what_is_switched_off_needs_no_warning() -> None:
    assert warned(text(entry(deviceInfo=False))) == {}
    assert list(warned(in_yaml(inside="deviceInfo: false"))) == ["configList[0].devices"]


# --- the limit of the list ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "most"),
    [
        ({"slotsPer": "hca"}, most_slots(PCI_KEY, topology=True)),
        ({"slotsPer": "hca", "topology": False}, most_slots(PCI_KEY, topology=False)),
        ({"topology": True}, most_slots(0, topology=True)),
    ],
)
def test_longer_slots_are_fewer(changes: dict[str, Any], most: int) -> None:
    assert first(text(entry(rdmaHcaMax=most, **changes))).rdma_hca_max == most
    (problem,) = refused(text(entry(rdmaHcaMax=most + 1, **changes))).items()
    assert problem[0] == "configList[0].rdmaHcaMax"
    assert problem[1].startswith(f"{most + 1} must be at most {most} (")
    assert problem[1].endswith(" can exceed the 4194304 bytes that kubelet takes)")


def test_a_number_that_is_too_large_in_any_case_is_refused_once() -> None:
    message = refused(text(entry(rdmaHcaMax=MOST_SLOTS + 1, slotsPer="hca")))
    assert message["configList[0].rdmaHcaMax"].count("must be at most") == 1


def test_the_limit_holds_in_yaml_as_well() -> None:
    config = in_yaml(inside="slotsPer: hca").replace("rdmaHcaMax: 1", "rdmaHcaMax: 100000")
    assert "must be at most" in refused(config)["configList[0].rdmaHcaMax"]


# --- names of files ------------------------------------------------------------------------------


def file_name_of(prefix: str, slots: int = 9) -> int:
    """Bytes of the longest name of a device-info file of PREFIX/a."""
    return len(f"{prefix}-a-{'k' * LONGEST_KEY}-{slots}{DEVICE_INFO_END}")


@pytest.mark.parametrize("slots", [9, 10])
def test_a_device_info_file_has_a_name_that_a_file_system_takes(slots: int) -> None:
    longest = "p" * (255 - file_name_of("", slots))
    settings = {"slotsPer": "hca", "deviceInfo": True, "rdmaHcaMax": slots}
    assert warned(text(entry(resourcePrefix=longest, **settings))) == {}
    problems = refused(text(entry(resourcePrefix=f"{longest}pp", **settings)))
    assert problems == {
        "configList[0].deviceInfo": "makes file names of up to 257 bytes; at most 255 are "
        "allowed (shorten resourcePrefix or resourceName by 2, or remove deviceInfo)"
    }


def test_without_device_info_a_name_may_be_longer() -> None:
    accepted(text(entry(resourcePrefix="p" * 244, slotsPer="hca")))
    accepted(text(entry(resourcePrefix="p" * 244, deviceInfo=True)))


def test_device_info_files_have_the_names_that_the_config_check_reckons_with() -> None:
    longest = hca(functions=(PciFunction("k" * LONGEST_KEY),))
    names = documents(pool(longest, of=per_hca(9, resource_name="a", device_info=True)))
    assert {len(name) for name in names} == {file_name_of("rdma")}


# --- environment --------------------------------------------------------------------------------


def test_variables_take_one_of_two_forms() -> None:
    env = {"NCCL_IB_HCA": "hcas", "UCX_NET_DEVICES": "ports"}
    assert first(text(entry(env=env))).env == env
    assert first(text(entry(env=env))).env["NCCL_IB_HCA"] is EnvForm.HCAS


def test_a_form_is_read_in_any_case_and_null_is_absent() -> None:
    config = text(entry(env={"A": "HCAs", "B": None}))
    assert first(config).env == {"A": EnvForm.HCAS}
    assert warned(config) == {"configList[0].env.A": '"HCAs" is read as "hcas" (write it so)'}


@pytest.mark.parametrize("name", ["NCCL_IB_HCA", "a", "_", "a.b-c", "-", ".a", "RDMA_DP_X"])
def test_variables_that_kubernetes_accepts(name: str) -> None:
    assert list(first(text(entry(env={name: "hcas"}))).env) == [name]


@pytest.mark.parametrize(
    ("name", "path", "said"),
    [
        ("1A", "env.1A", "is not an environment variable"),
        ("", 'env[""]', "is not an environment variable"),
        ("A B", 'env["A B"]', "is not an environment variable"),
        ("A=B", 'env["A=B"]', "is not an environment variable"),
        ("..", 'env[".."]', "is not an environment variable"),
        ("..A", 'env["..A"]', "is not an environment variable"),
        ("[k]", 'env["[k]"]', "is not an environment variable"),
        ("RDMA_DP_A_HCAS", "env.RDMA_DP_A_HCAS", "a variable that every container gets already"),
        ("RDMA_DP__HCAS", "env.RDMA_DP__HCAS", "a variable that every container gets already"),
    ],
)
def test_variables_that_cannot_be_set(name: str, path: str, said: str) -> None:
    (problem,) = refused(text(entry(env={name: "hcas"}))).items()
    assert problem[0] == f"configList[0].{path}"
    assert said in problem[1]
    assert "such as NCCL_IB_HCA)" in problem[1] or "as in NCCL_IB_HCA)" in problem[1]


@pytest.mark.parametrize("key", ["env", "ENV"])
@pytest.mark.parametrize("form", ["json", "yaml"])
def test_case_makes_a_difference_to_variables(key: str, form: str) -> None:
    env = {"NCCL_IB_HCA": "hcas", "nccl_ib_hca": "ports", "rdma_dp_a_hcas": "hcas"}
    config = text(entry(**{key: env}))
    if form == "yaml":
        config = f"---\n{config}"
    assert first(config).env == env
    assert not [path for path in warned(config) if not path.endswith(key)]


def test_our_own_variable_is_refused_together_with_another_spelling_of_it() -> None:
    config = text(entry(env={"RDMA_DP_A_HCAS": "hcas", "rdma_dp_a_hcas": "hcas"}))
    assert list(refused(config)) == ["configList[0].env.RDMA_DP_A_HCAS"]


def test_the_same_variable_twice_is_warned_of_and_the_last_one_counts() -> None:
    config = text(entry(env={"A": "hcas"})).replace('"A": "hcas"', '"A": "hcas", "A": "ports"')
    assert first(config).env == {"A": EnvForm.PORTS}
    assert "is given twice" in warned(config)["configList[0].env.A"]


def test_each_bad_form_is_reported_with_its_variable() -> None:
    problems = refused(text(entry(env={"A": "x", "B": 5, "C": "hcas"})))
    assert set(problems) == {"configList[0].env.A", "configList[0].env.B"}
    assert problems["configList[0].env.A"].startswith(
        'must be one of "hcas", "ports", not the string "x" (for example "env": '
    )


@pytest.mark.parametrize("value", [["NCCL_IB_HCA"], "NCCL_IB_HCA", 5])
def test_env_is_an_object(value: Any) -> None:
    assert refused(text(entry(env=value)))["configList[0].env"].startswith("must be an object, not")


def test_two_resources_with_the_same_variable_are_warned_of() -> None:
    config = text(
        entry(env={"NCCL_IB_HCA": "hcas", "A": "hcas"}),
        entry(resourceName="b", env={"NCCL_IB_HCA": "ports", "B": "hcas"}),
    )
    (warning,) = warned(config).items()
    assert warning[0] == "configList[1].env.NCCL_IB_HCA"
    assert "variable NCCL_IB_HCA in common with configList[0]" in warning[1]
    assert "kubelet takes either, in random order" in warning[1]


def test_a_resource_is_in_no_conflict_with_itself() -> None:
    config = text(entry(env={"A": "hcas", "B": "ports"}), entry(resourceName="b"))
    assert warned(config) == {}
