"""The CDI specs of claims, and that they and those of resources are never taken for each other."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.specs import cdi, claim_spec
from rdma_dp.specs.claim_directory import ClaimSpecs
from rdma_dp.specs.claim_spec import SpecDevice
from rdma_dp.specs.file_errors import FileError
from tests.unit.kubelet.test_sockets import RESOURCES

UID = "0b5e6a3c-9d39-4c4a-8f5a-3f4f3a1f2b3c"
DEVICE = SpecDevice(f"{UID}-hca-mlx5_0", ("/dev/infiniband/uverbs0",), {"A": "b=c"})


def test_a_spec_has_nodes_and_variables() -> None:
    assert json.loads(claim_spec.text([DEVICE])) == {
        "cdiVersion": "0.5.0",
        "kind": "rdma-dp/claim",
        "devices": [
            {
                "name": f"{UID}-hca-mlx5_0",
                "containerEdits": {
                    "deviceNodes": [{"path": "/dev/infiniband/uverbs0", "permissions": "rwm"}],
                    "env": ["A=b=c"],
                },
            }
        ],
    }


@given(RESOURCES)
def test_no_resource_has_the_kind_or_the_file_of_a_claim(resource: str) -> None:
    assert cdi.kind(resource) != claim_spec.KIND
    content = json.dumps({"kind": cdi.kind(resource)}).encode()
    assert not claim_spec.is_ours(content)
    assert cdi.file_name(resource) != claim_spec.file_name(UID)


def test_the_spec_of_a_claim_is_not_one_of_a_resource() -> None:
    name, content = claim_spec.file_name(UID), claim_spec.text([DEVICE]).encode()
    assert not cdi.is_ours(name, content)


@pytest.mark.parametrize("what", ["mlx5_0", "a b", "ä/ö", "x.", "-", "_:.-"])
def test_a_device_name_is_one_that_runtimes_take(what: str) -> None:
    name = claim_spec.device_name(UID, "hca", what)
    assert name[0].isalnum()
    assert name[-1].isalnum()
    assert all(each.isascii() and (each.isalnum() or each in "_.:-") for each in name)


@given(st.binary())
def test_any_content_is_judged(content: bytes) -> None:
    claim_spec.is_ours(content)


def test_a_foreign_file_stays_and_a_truncated_one_is_written_again(tmp_path: Path) -> None:
    specs, path = ClaimSpecs(tmp_path), tmp_path / claim_spec.file_name(UID)
    path.write_text('{"kind": "other/claim"}')
    with pytest.raises(FileError, match="its content is not rdma-dp's"):
        specs.write(UID, [DEVICE])
    specs.remove(UID)
    assert path.read_text() == '{"kind": "other/claim"}'
    path.write_text('{"ki')
    specs.write(UID, [DEVICE])
    assert path.read_text() == claim_spec.text([DEVICE])
    specs.remove(UID)
    assert not path.exists()
