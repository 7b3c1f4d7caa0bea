import errno
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from rdma_dp.config import CdiMode, Config, Resource
from rdma_dp.inventory.hardware import CharDevice, Hca
from rdma_dp.sharing.allocation import grant
from rdma_dp.sharing.pool import Pool, make_pool
from rdma_dp.specs import cdi
from rdma_dp.specs.publisher import SpecFiles
from tests import cdi_model
from tests.makers import SYSTEM, hca, hca_lists, per_hca, resource, selection

GPU = "cdiVersion: 0.5.0\nkind: nvidia.com/gpu\n"


class Node:
    """The two directories of a node, and the daemon that keeps its files there."""

    def __init__(self, root: Path) -> None:
        self.cdi = root / "cdi"
        self.device_info = root / "devinfo" / "dp"
        self.restart()

    def restart(self) -> None:
        self.daemon = SpecFiles(self.cdi, self.device_info)

    def follow(self, *pools: Pool) -> dict[str, str]:
        troubles = dict(self.daemon.follow(pools))
        self.daemon.tidy()
        return troubles

    @property
    def specs(self) -> dict[str, str]:
        return {each.name: each.read_text() for each in self.cdi.glob("*")}

    @property
    def device_infos(self) -> list[str]:
        return sorted(each.name for each in self.device_info.iterdir())


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def pool(
    *hcas: Hca,
    name: str = "a",
    of: Resource | None = None,
    before: Pool | None = None,
    mode: CdiMode = CdiMode.CRI,
) -> Pool:
    wanted = replace(of or resource(1), resource_name=name)
    return make_pool(selection(*hcas, of=wanted), SYSTEM, before, config=Config(cdi=mode))


def told(*hcas: Hca, name: str = "a", **changes: Any) -> Pool:
    """A pool that wants device-info files and no CDI."""
    return pool(*hcas, name=name, of=per_hca(1, device_info=True, **changes), mode=CdiMode.OFF)


# --- CDI ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [CdiMode.CRI, CdiMode.ANNOTATIONS, CdiMode.BOTH])
def test_each_resource_has_a_spec(node: Node, mode: CdiMode) -> None:
    one, other = pool(hca(0), mode=mode), pool(hca(1), name="b", mode=mode)
    assert node.follow(one, other) == {}
    assert node.specs.keys() == {"rdma-dp-rdma_a.json", "rdma-dp-rdma_b.json"}
    for each in (one, other):
        names = cdi.names(grant(each))
        assert cdi_model.resolved(names, node.specs.values()) == set(grant(each).devices)


def test_an_hca_in_two_resources_is_no_conflict(node: Node) -> None:
    one, other = pool(hca()), pool(hca(), name="b")
    node.follow(one, other)
    both = (*cdi.names(grant(one)), *cdi.names(grant(other)))
    assert cdi_model.resolved(both, node.specs.values()) == set(grant(one).devices)


def test_without_cdi_nothing_is_made_and_nothing_is_wrong(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    assert node.follow(pool(hca(), mode=CdiMode.OFF)) == {}
    assert not node.cdi.exists()
    node.cdi.write_text("not even a directory")
    assert node.follow(pool(hca(), mode=CdiMode.OFF)) == {}
    assert caplog.text == ""


def test_with_cdi_switched_off_specs_stay_right_for_the_containers_that_have_names(
    node: Node,
) -> None:
    """A spec without an owner would give a container that restarts another HCA's nodes."""
    node.follow(pool(hca()), pool(hca(), name="b"))
    node.follow(pool(hca(uverbs=CharDevice("uverbs7", None)), mode=CdiMode.OFF))
    (spec,) = node.specs.values()
    assert "uverbs7" in spec


def test_with_cdi_switched_off_a_spec_comes_back_with_its_hca(node: Node) -> None:
    node.follow(pool(hca()))
    before = node.specs
    node.follow(pool(mode=CdiMode.OFF))
    assert node.specs == {}
    node.follow(pool(hca(), mode=CdiMode.OFF))
    assert node.specs == before


def test_a_spec_is_there_until_kubelet_has_heard_that_it_is_not_wanted(node: Node) -> None:
    node.follow(pool(hca()), pool(hca(), name="b"))
    node.daemon.follow([pool(hca())])
    assert len(node.specs) == 2
    node.daemon.tidy()
    assert len(node.specs) == 1


def test_a_resource_that_leaves_the_config_takes_its_spec_along(node: Node) -> None:
    node.follow(pool(hca()), pool(hca(), name="b"))
    node.restart()
    node.follow(pool(hca(), name="b"))
    assert node.specs.keys() == {"rdma-dp-rdma_b.json"}


def test_a_resource_that_loses_its_hcas_loses_its_spec_until_they_are_back(node: Node) -> None:
    full = pool(hca())
    node.follow(full)
    names, before = cdi.names(grant(full)), node.specs
    lost = pool(before=full)
    node.follow(lost)
    with pytest.raises(cdi_model.UnresolvableError):
        cdi_model.resolved(names, node.specs.values())
    node.follow(pool(hca(), before=lost))
    assert node.specs == before


def test_the_specs_of_others_stay_whatever_happens(node: Node) -> None:
    foreign = {
        "nvidia.com-gpu.yaml": GPU,
        "rdma-dp-tools.json": '{"cdiVersion": "0.5.0", "kind": "example.com/tools"}',
        "rdma-dp-notes.json": "notes",
        "rdma_dp.json": '{"kind": "rdma-dp/rdma_a"}',
    }
    node.cdi.mkdir()
    for name, text in foreign.items():
        (node.cdi / name).write_text(text)
    node.follow(pool(hca()), pool(hca(), name="b"))
    node.follow(pool(hca()))
    node.restart()
    node.follow(pool())
    assert node.specs == foreign


def test_our_name_with_anothers_content_is_left_and_told_for_that_resource_alone(
    node: Node,
) -> None:
    node.cdi.mkdir()
    (node.cdi / "rdma-dp-rdma_a.json").write_text('{"kind": "example.com/a"}')
    troubles = node.follow(pool(hca()), pool(hca(), name="b"))
    assert troubles.keys() == {"rdma/a"}
    assert "is not rdma-dp's (remove it)" in troubles["rdma/a"]
    assert node.specs["rdma-dp-rdma_a.json"] == '{"kind": "example.com/a"}'
    assert "rdma-dp-rdma_b.json" in node.specs


def test_a_directory_that_cannot_be_used_is_told_for_each_resource(
    node: Node, tmp_path: Path
) -> None:
    (tmp_path / "cdi").write_text("")
    troubles = node.follow(pool(hca()), pool(hca(), name="b"), pool(name="c"))
    assert troubles.keys() == {"rdma/a", "rdma/b"}
    assert all("is not a directory" in trouble for trouble in troubles.values())


def test_what_cannot_be_removed_is_told_once_and_as_such(
    node: Node, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    full = pool(hca())
    node.follow(full, pool(hca(), name="b"))
    monkeypatch.setattr(os, "unlink", _read_only)
    for _ in range(3):
        assert node.follow(pool(before=full)) == {}
    (line,) = caplog.messages
    assert "cannot remove" in line
    assert "rdma-dp-rdma_a.json: Read-only file system" in line
    assert "and 1 more" in line


def _read_only(*_: Any, **__: Any) -> None:
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(before=hca_lists(), after=hca_lists())
def test_specs_follow_the_hardware(
    node: Node, before: tuple[Hca, ...], after: tuple[Hca, ...]
) -> None:
    first = pool(*before)
    node.follow(first)
    second = pool(*after, before=first)
    node.follow(second)
    names = cdi.names(grant(second))
    assert cdi_model.resolved(names, node.specs.values()) == set(grant(second).devices)


# --- device info --------------------------------------------------------------------------------


def test_device_info_files_come_and_go_with_their_hca(node: Node) -> None:
    both = told(hca(0), hca(1))
    node.follow(both)
    assert node.device_infos == [
        "rdma-a-0000:00:00.0-0-device.json",
        "rdma-a-0000:01:00.0-0-device.json",
    ]
    node.follow(pool(hca(1), of=both.resource, before=both, mode=CdiMode.OFF))
    assert node.device_infos == ["rdma-a-0000:01:00.0-0-device.json"]


def test_an_hca_that_gets_another_name_is_told_anew(node: Node) -> None:
    node.follow(told(hca()))
    node.follow(told(hca(name="ibp0s0")))
    (file,) = node.device_info.iterdir()
    assert json.loads(file.read_text())["pci"]["rdma-device"] == "ibp0s0"


def test_device_info_files_stay_over_a_restart_and_go_when_they_are_switched_off(
    node: Node,
) -> None:
    node.follow(told(hca()))
    node.restart()
    node.follow(told(hca()))
    assert len(node.device_infos) == 1
    node.restart()
    node.follow(pool(hca(), of=per_hca(1), mode=CdiMode.OFF))
    assert node.device_infos == []


def test_device_info_files_go_when_their_resource_leaves_the_config(node: Node) -> None:
    node.follow(told(hca()), told(hca(), name="b"))
    node.follow(pool(hca(), name="c", mode=CdiMode.OFF))
    assert node.device_infos == []


def test_device_info_files_of_others_stay(node: Node) -> None:
    foreign = [
        "intel.com-sriov-0000:18:00.2-device.json",
        "rdma-a-0000:18:00.2-device.json",
        "rdma-a-b-0000:18:00.0-0-device.json",
    ]
    node.device_info.mkdir(parents=True)
    for name in foreign:
        (node.device_info / name).write_text("{}")
    node.follow(told(hca()))
    node.follow(told())
    assert node.device_infos == foreign


@pytest.mark.parametrize("of", [resource(), per_hca()])
def test_nothing_is_made_where_nobody_wants_device_info(node: Node, of: Resource) -> None:
    assert node.follow(pool(hca(), of=of, mode=CdiMode.OFF)) == {}
    assert not node.device_info.exists()


def test_device_info_that_cannot_be_written_is_told_to_those_who_want_it(node: Node) -> None:
    node.device_info.parent.write_text("")
    plain = pool(hca(), of=per_hca(), name="b")
    assert node.follow(told(hca()), plain).keys() == {"rdma/a"}
    assert node.specs.keys() == {"rdma-dp-rdma_b.json"}


def test_ten_thousand_device_info_files_are_written_once(
    memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Node(memory / "ten-thousand")
    many = replace(told(hca()).resource, rdma_hca_max=10_000)
    full = pool(hca(), of=many, mode=CdiMode.OFF)
    assert node.follow(full) == {}
    assert len(node.device_infos) == 10_000
    monkeypatch.setattr(os, "fdopen", _read_only)  # nothing is read and nothing written
    assert node.follow(full) == {}
