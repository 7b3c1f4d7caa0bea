"""rdmaHcaMax of 0, null or none: the daemon serves the other resources, as the Go plugin does."""

import json
from typing import Any

import pytest

from rdma_dp.config import ConfigError, Loaded, parse, parse_bytes
from tests.unit.config.texts import by_path, entry, refused, text

GOOD = entry(resourceName="good")


def of_the_daemon(config: str) -> Loaded:
    return parse_bytes(config.encode(), without_slotless=True)


def slotless(name: str = "none", **changes: Any) -> dict[str, Any]:
    return entry(resourceName=name, rdmaHcaMax=None) | changes


@pytest.mark.parametrize("changes", [{}, {"rdmaHcaMax": 0}, {"rdmaHcaMax": None}])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_it_is_a_warning_for_that_resource(changes: dict[str, Any], at: int) -> None:
    entries = [GOOD, entry(resourceName="other")]
    entries.insert(at, slotless(**changes))
    loaded = of_the_daemon(text(*entries))
    names = [each.resource_name for each in loaded.config.config_list]
    assert names == [each.resource_name for each in loaded.document.config_list]
    assert names == ["good", "other"]
    (path, message), *others = by_path(loaded.warnings).items()
    assert path == f"configList[{at}].rdmaHcaMax"
    assert "is 0 or missing, so this resource has no slots and is not served" in message
    assert not others
    assert f"configList[{at}].rdmaHcaMax" in refused(text(*entries))


def test_in_yaml_and_in_letters_of_the_other_case() -> None:
    config = "configList: [{resourceName: a, RdmaHcaMax: 0, devices: [x]}, "
    loaded = of_the_daemon(config + "{resourceName: b, rdmaHcaMax: 1, devices: [x]}]")
    assert [each.resource_name for each in loaded.config.config_list] == ["b"]


def test_if_none_is_left_it_is_an_error() -> None:
    with pytest.raises(ConfigError) as error:
        of_the_daemon(text(slotless("a"), slotless("b", rdmaHcaMax=0)))
    assert by_path(error.value.problems).keys() == {
        "configList[0].rdmaHcaMax",
        "configList[1].rdmaHcaMax",
    }


@pytest.mark.parametrize("value", [-1, "63", "0", 1.5, False, []])
def test_what_the_go_plugin_refuses_is_an_error(value: object) -> None:
    with pytest.raises(ConfigError) as error:
        of_the_daemon(json.dumps({"configList": [GOOD, {**slotless(), "rdmaHcaMax": value}]}))
    assert by_path(error.value.problems).keys() == {"configList[1].rdmaHcaMax"}


def test_beside_another_problem_it_is_a_problem_as_well() -> None:
    with pytest.raises(ConfigError) as error:
        of_the_daemon(text(GOOD, slotless("-"), slotless("good")))
    assert by_path(error.value.problems).keys() == {
        *("configList[1].rdmaHcaMax", "configList[1].resourceName"),
        *("configList[2].rdmaHcaMax", "configList[2].resourceName"),
    }


def test_a_text_that_is_no_config_stays_one() -> None:
    for config in ('{"configList": {}}', '{"configList": [0]}', "[]", '{"configList": []}'):
        with pytest.raises(ConfigError):
            of_the_daemon(config)
    assert parse(text(GOOD)) == of_the_daemon(text(GOOD))
