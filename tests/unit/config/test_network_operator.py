"""C3, C5, C7: what Network Operator's webhook refuses in the config of a policy."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from rdma_dp.config import ConfigError
from rdma_dp.config.loading import find_config
from tests.unit.config.texts import entry, text

NVIDIA: dict[str, Any] = {"vendors": ["15b3"]}
REFUSES = "Network Operator's webhook, where it is on, refuses"


def said(tmp_path: Path, *entries: Any, kind: str = "NicClusterPolicy") -> list[str]:
    """The problems and warnings of a config in a policy."""
    policy = {
        "apiVersion": "mellanox.com/v1alpha1",
        "kind": kind,
        "metadata": {"name": "a"},
        "spec": {"rdmaSharedDevicePlugin": {"config": text(*entries)}},
    }
    if kind == "ConfigMap":
        policy = {**policy, "apiVersion": "v1", "data": {"config.json": text(*entries)}, "spec": {}}
    file = tmp_path / "policy.yaml"
    file.write_text(yaml.safe_dump(policy))
    try:
        return [str(each) for each in find_config(file).load().warnings]
    except ConfigError as error:
        return [str(each) for each in (*error.problems, *error.warnings)]


@pytest.mark.parametrize("kind", ["NicClusterPolicy", "NicNodePolicy"])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"selectors": {**NVIDIA, "rdmaDevices": ["mlx5_0"]}},
            f'selectors.rdmaDevices: {REFUSES} "rdmaDevices" in selectors (put it in "extra',
        ),
        (
            {"selectors": {**NVIDIA, "exclude": {"ifNames": ["w0"]}}},
            f'selectors.exclude: {REFUSES} "exclude" in selectors (put it in "extraSelectors")',
        ),
        ({"selectors": [NVIDIA]}, f"selectors: {REFUSES} a list as selectors (write"),
        ({"selectors": {"numaNodes": [0]}}, f"selectors: {REFUSES} selectors without vendors, "),
        (
            {"selectors": {"deviceIds": ["1021"]}},
            f'selectors.deviceIds: {REFUSES} "deviceIds" in selectors (write "deviceIDs")',
        ),
        (
            {"selectors": {**NVIDIA, "isRdma": True}},
            f'selectors.isRdma: {REFUSES} "isRdma" in selectors (remove it)',
        ),
        (
            {"selectors": None, "extraSelectors": NVIDIA},
            f"{REFUSES} a resource without selectors (add",
        ),
        ({"resourcePrefix": "rdma"}, f'{REFUSES} the prefix "rdma" (remove it, it is the default)'),
        ({"resourcePrefix": "a.b2"}, f'{REFUSES} the prefix "a.b2" (a domain: example.com)'),
    ],
)
def test_what_the_webhook_refuses_is_a_warning_of_a_policy(
    kind: str, changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    """C5, C7: check-config said "good"."""
    found = [each for each in said(tmp_path, entry(**changes), kind=kind) if message in each]
    assert len(found) == 1
    assert "spec.rdmaSharedDevicePlugin.config: configList[0]" in found[0]
    assert not any(REFUSES in each for each in said(tmp_path, entry(**changes), kind="ConfigMap"))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"resourcePrefix": "example.com"},
        {"selectors": None, "devices": ["w0"]},
        {"extraSelectors": [{"rdmaDevices": ["mlx5_0"]}, {"exclude": {"numaNodes": [1]}}]},
        {"slotsPer": "hca"},
    ],
)
def test_what_the_webhook_takes_is_none(changes: dict[str, Any], tmp_path: Path) -> None:
    assert not any(REFUSES in each for each in said(tmp_path, entry(**changes)))


@pytest.mark.parametrize(
    "changes",
    [
        {"selectors": {"ifNames": ["mlx5_0"]}},
        {"selectors": {"vendors": ["0000:18:00.0"]}},
        {"selectors": {"ifNames": ["w0", "a/b", "0000:18:00.0"]}},
        {"rdmaDevices": ["mlx5_0"]},
        {"selectors": {"ifNames": ["uverbs0"]}},
    ],
)
def test_hints_of_a_policy_name_extra_selectors(changes: dict[str, Any], tmp_path: Path) -> None:
    """C3: the hint named rdmaDevices, which the webhook refuses in selectors."""
    (hint,) = (
        each
        for each in said(tmp_path, entry(**changes))
        if "looks like" in each or "is no key" in each
    )
    assert 'Network Operator takes it in "extraSelectors" only' in hint
    elsewhere = said(tmp_path, entry(**changes), kind="ConfigMap")
    assert "Network Operator" not in json.dumps(elsewhere)


def test_a_hint_that_names_a_selector_of_the_webhook_stays(tmp_path: Path) -> None:
    (hint,) = said(tmp_path, entry(selectors={"drivers": ["15b3"]}))
    assert "its place is" in hint
    assert "extraSelectors" not in hint
