"""Any JSON in the place of any field of a claim: an error of this claim, and of no other."""

import asyncio
import copy
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdma_dp.dra.claims import ClaimError
from rdma_dp.kubelet.api import dra_pb2 as pb
from rdma_dp.kubelet.dra.claim_record import ClaimRecord, ClaimRef
from rdma_dp.kubelet.dra.claim_service import ClaimService
from tests.unit.kubelet.dra.claims import DRIVER, Node, claim, offered, ref, result
from tests.unit.kubelet.nodes import hca

FIRST = "hca-0000-01-00-0"
WHOLE = claim(
    ref(1),
    result(FIRST, "hca/fast", shareID="s1", adminAccess=False),
    config=[
        {
            "source": "FromClaim",
            "requests": ["hca"],
            "opaque": {
                "driver": DRIVER,
                "parameters": {
                    "apiVersion": f"{DRIVER}/v1",
                    "kind": "HcaConfig",
                    "env": {"NCCL_IB_HCA": "hcas"},
                },
            },
        }
    ],
)

any_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.sampled_from(["\ud800", "\0", FIRST, DRIVER]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text() | st.sampled_from(["devices", "results", "driver"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


def paths(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of every field and entry of a document."""
    entries: Any = ()
    if isinstance(value, dict):
        entries = value.items()
    elif isinstance(value, list):
        entries = enumerate(value)
    for key, inner in entries:
        yield (*before, key)
        yield from paths(inner, (*before, key))


def replaced(path: tuple[Any, ...], by: Any) -> dict[str, Any]:
    changed = copy.deepcopy(WHOLE)
    place: Any = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = by
    return changed


def request(*refs: ClaimRef) -> pb.NodePrepareResourcesRequest:
    return pb.NodePrepareResourcesRequest(
        claims=[pb.Claim(namespace=each.namespace, uid=each.uid, name=each.name) for each in refs]
    )


@settings(deadline=None)
@given(path=st.sampled_from([*paths(WHOLE)]), value=any_json, prepared_before=st.booleans())
def test_a_malformed_claim_fails_alone(
    path: tuple[Any, ...], value: Any, prepared_before: bool
) -> None:
    async def run() -> None:
        with TemporaryDirectory() as directory:
            node = Node(Path(directory), offered(hca(1)))
            first, second = ref(1), ref(2)
            preparation = node.instance()
            service = ClaimService(preparation)
            node.api.put(second, result(FIRST))
            if prepared_before:
                node.api.claims[first.namespace, first.name] = WHOLE
                await preparation.prepare(first)
            node.api.claims[first.namespace, first.name] = replaced(path, value)
            answer = await service.NodePrepareResources(request(first, second), None)  # type: ignore[arg-type]
            assert {*answer.claims} == {first.uid, second.uid}
            assert [each.device_name for each in answer.claims[second.uid].devices] == [FIRST]
            assert "the log of rdma-dp" not in answer.claims[first.uid].error
            # The next start of the daemon reads what was written, and kubelet gives both back.
            await node.instance().renew()
            for each in (first, second):
                await preparation.unprepare(each)
            assert node.files() == []

    asyncio.run(run())


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("metadata",), "metadata is no object"),
        (("status",), "status is no object"),
        (("status", "allocation", "devices"), "status.allocation.devices is no object"),
        (("status", "allocation", "devices", "results", 0), "results[0] is no object"),
        (("status", "allocation", "devices", "results", 0, "pool"), "results[0].pool is not text"),
        (("status", "allocation", "devices", "config", 0, "requests"), "requests is no list"),
    ],
)
async def test_the_pod_reads_which_field_is_wrong(
    path: tuple[Any, ...], text: str, tmp_path: Path
) -> None:
    node = Node(tmp_path, offered(hca(1)))
    node.api.claims["default", "claim-1"] = replaced(path, 7)
    with pytest.raises(ClaimError, match="cannot be read") as caught:
        await node.instance().prepare(ref(1))
    assert text in str(caught.value)


class Broken:
    """Prepares nothing: it has a fault of its own."""

    async def prepare(self, ref: ClaimRef) -> ClaimRecord:
        raise KeyError(ref.name)

    async def unprepare(self, ref: ClaimRef) -> None:
        raise KeyError(ref.name)


async def test_a_fault_of_our_own_fails_its_claim_and_not_the_call() -> None:
    answer = await ClaimService(Broken()).NodePrepareResources(request(ref(1)), None)  # type: ignore[arg-type]
    assert "KeyError" in answer.claims[ref(1).uid].error
