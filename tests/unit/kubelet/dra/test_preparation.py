"""Claims are prepared and unprepared: what containers get, and what stays on the disk."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from rdma_dp.dra.claims import ClaimError
from rdma_dp.errors import RdmaDpError
from rdma_dp.inventory.hardware import CharDevice, DeviceNumber
from rdma_dp.kubelet.dra.claim_record import ClaimRef, NewerFileError, StoreError
from rdma_dp.kubelet.dra.preparation import UnreadClaimError
from tests.unit.kubelet.dra.claims import DRIVER, Node, offered, ref, result
from tests.unit.kubelet.nodes import hca

FIRST, SECOND = "hca-0000-01-00-0", "hca-0000-02-00-0"


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path, offered(hca(1), hca(2), env={"NCCL_IB_HCA": "hcas"}))


async def test_a_claim_gets_its_hca_and_nothing_else(node: Node) -> None:
    node.api.put(ref(1), result(FIRST, shareID="s1"))
    record = await node.instance().prepare(ref(1))
    (device,) = record.devices
    assert (device.request, device.pool, device.device) == ("hca", "node-1", FIRST)
    assert (device.share_id, device.hcas) == ("s1", ("mlx5_1",))
    name = f"rdma-dp/claim={ref(1).uid}-hca-mlx5_1"
    assert device.cdi.full_name == name
    paths, env = node.edits(ref(1))[name]
    assert paths == [
        "/dev/infiniband/rdma_cm",
        "/dev/infiniband/umad1",
        "/dev/infiniband/uverbs1",
    ]
    assert env == {"RDMA_DP_HCA_HCAS": "mlx5_1", "NCCL_IB_HCA": "=mlx5_1"}


async def test_each_request_gets_the_variables_of_the_whole_claim(node: Node) -> None:
    """Of several CDI devices that set one variable, the last one wins."""
    node.api.put(ref(1), result(FIRST, "left"), result(SECOND, "right/second"))
    record = await node.instance().prepare(ref(1))
    assert [each.request for each in record.devices] == ["left", "right"]
    edits = [node.edits(ref(1))[each.cdi.full_name] for each in record.devices]
    for (paths, env), number, request in zip(edits, (1, 2), ("LEFT", "RIGHT"), strict=True):
        assert f"/dev/infiniband/uverbs{number}" in paths
        assert env["NCCL_IB_HCA"] == "=mlx5_1,mlx5_2"
        assert env["RDMA_DP_HCA_HCAS"] == "mlx5_1,mlx5_2"
        assert env[f"RDMA_DP_{request}_HCAS"] == f"mlx5_{number}"


async def test_slots_of_one_hca_have_names_of_their_own(node: Node) -> None:
    """kubelet shows devices with equal names as one."""
    node.hardware = offered(hca(1), each=True)
    node.api.put(ref(1), result(f"{FIRST}-0"), result(f"{FIRST}-1"), result(f"{FIRST}-2"))
    record = await node.instance().prepare(ref(1))
    names = [each.cdi.full_name for each in record.devices]
    assert len(set(names)) == 3
    assert all("mlx5_1" in name for name in names)
    assert names == list(node.edits(ref(1)))


async def test_a_claim_without_a_device_of_ours_is_prepared_too(node: Node) -> None:
    node.api.put(ref(1), {**result("gpu-0"), "driver": "gpu.example.org"})
    record = await node.instance().prepare(ref(1))
    assert record.devices == ()
    await node.instance().unprepare(ref(1))
    assert node.files() == []


async def test_the_same_claim_gets_the_same_answer_while_the_api_server_is_away(
    node: Node,
) -> None:
    node.api.put(ref(1), result(FIRST))
    first = await node.instance().prepare(ref(1))
    before = node.file(ref(1)).read_bytes(), node.spec(ref(1)).read_bytes()
    node.api.failure = RdmaDpError("the API server is away")
    assert await node.instance().prepare(ref(1)) == first
    assert (node.file(ref(1)).read_bytes(), node.spec(ref(1)).read_bytes()) == before


async def test_an_unknown_claim_fails_while_the_api_server_is_away(node: Node) -> None:
    node.api.failure = RdmaDpError("the API server is away")
    with pytest.raises(UnreadClaimError, match="claim default/claim-1: the API server is away"):
        await node.instance().prepare(ref(1))
    assert not node.file(ref(1)).exists()
    assert node.metrics.claim_prepares.values == {(DRIVER, "api-server"): 1}


async def test_a_claim_that_could_not_be_prepared_counts_until_it_is_unprepared(node: Node) -> None:
    """kubelet unprepares it all the same: without the driver its pod could not end."""
    node.api.put(ref(1), result("gone"))
    with pytest.raises(ClaimError):
        await node.instance().prepare(ref(1))
    assert any(name.startswith(ref(1).uid) for name in node.files())
    await node.instance().unprepare(ref(1))
    assert not any(name.startswith(ref(1).uid) for name in node.files())


async def test_an_api_server_that_hangs_holds_up_no_prepared_claim(node: Node) -> None:
    node.api.put(ref(1), result(FIRST))
    first = await node.instance().prepare(ref(1))

    async def hang(namespace: str, name: str) -> dict[str, object]:
        await asyncio.Event().wait()
        return {}

    node.api.get = hang  # type: ignore[method-assign]
    assert await node.instance(confirmation=0.01).prepare(ref(1)) == first


async def test_a_new_config_changes_nothing_of_a_prepared_claim(node: Node) -> None:
    node.api.put(ref(1), result(FIRST))
    first = await node.instance().prepare(ref(1))
    spec = node.spec(ref(1)).read_text()
    node.hardware = offered(hca(1), hca(2), env={"UCX_NET_DEVICES": "ports"})
    assert await node.instance().prepare(ref(1)) == first
    await node.instance().renew()
    assert node.spec(ref(1)).read_text() == spec


async def test_other_selectors_give_a_prepared_claim_no_other_hcas(node: Node) -> None:
    """With `slotsPer: resource` the name of the device says nothing of its HCAs."""
    node.hardware = offered(hca(1), hca(2), per_hca=False)
    node.api.put(ref(1), result("hca"))
    first = await node.instance().prepare(ref(1))
    everywhere = offered(hca(1), hca(2), hca(3), per_hca=False).inventory
    node.hardware = replace(offered(hca(3), per_hca=False), inventory=everywhere)
    assert await node.instance().prepare(ref(1)) == first
    await node.instance().renew()
    assert node.edits(ref(1))[first.devices[0].cdi.full_name][1]["RDMA_DP_HCA_HCAS"] == (
        "mlx5_1,mlx5_2"
    )


async def test_after_a_reboot_the_spec_is_written_again(node: Node) -> None:
    node.api.put(ref(1), result(FIRST))
    first = await node.instance().prepare(ref(1))
    spec = node.spec(ref(1)).read_text()
    node.spec(ref(1)).unlink()
    node.cdi.rmdir()
    assert await node.instance().prepare(ref(1)) == first
    assert node.spec(ref(1)).read_text() == spec


async def test_a_start_writes_the_specs_that_are_missing(node: Node) -> None:
    node.api.put(ref(1), result(FIRST))
    await node.instance().prepare(ref(1))
    spec = node.spec(ref(1)).read_text()
    node.spec(ref(1)).unlink()
    instance = node.instance()
    await instance.renew()
    assert node.spec(ref(1)).read_text() == spec
    assert instance.claims.value is not None
    assert list(instance.claims.value) == [ref(1).uid]


@pytest.mark.parametrize("by_prepare", [True, False])
async def test_an_hca_with_other_names_after_a_reboot_is_followed(
    node: Node, by_prepare: bool
) -> None:
    """The CDI names stay: kubelet asks the runtime for the old ones too."""
    node.api.put(ref(1), result(FIRST))
    first = await node.instance().prepare(ref(1))
    moved = replace(hca(1), name="mlx5_7", uverbs=CharDevice("uverbs9", DeviceNumber(231, 201)))
    swapped = replace(hca(2), uverbs=CharDevice("uverbs1", DeviceNumber(231, 193)))
    node.hardware = offered(moved, swapped, env={"NCCL_IB_HCA": "hcas"})
    await (node.instance().prepare(ref(1)) if by_prepare else node.instance().renew())
    ((name, (paths, env)),) = node.edits(ref(1)).items()
    assert name == first.devices[0].cdi.full_name
    assert "/dev/infiniband/uverbs9" in paths
    assert "/dev/infiniband/uverbs1" not in paths
    assert env["NCCL_IB_HCA"] == "=mlx5_7"


async def test_an_hca_that_is_gone_leaves_no_spec_and_comes_back(node: Node) -> None:
    """Its nodes may belong to another HCA by then."""
    node.api.put(ref(1), result(FIRST))
    first = await node.instance().prepare(ref(1))
    spec = node.spec(ref(1)).read_text()
    everything, node.hardware = node.hardware, offered(hca(2))
    await node.instance().renew()
    assert not node.spec(ref(1)).exists()
    with pytest.raises(ClaimError, match=r"the HCA mlx5_1 \(0000:01:00.0\) is gone"):
        await node.instance().prepare(ref(1))
    node.hardware = everything
    await node.instance().renew()
    assert node.spec(ref(1)).read_text() == spec
    assert await node.instance().prepare(ref(1)) == first


async def test_a_resource_that_is_no_longer_via_dra_keeps_its_claims(node: Node) -> None:
    node.api.put(ref(1), result(FIRST))
    first = await node.instance().prepare(ref(1))
    spec = node.spec(ref(1)).read_text()
    node.hardware = replace(node.hardware, devices=())
    await node.instance().renew()
    assert node.spec(ref(1)).read_text() == spec
    assert await node.instance().prepare(ref(1)) == first
    await node.instance().unprepare(ref(1))
    assert node.files() == []


async def test_a_claim_that_was_allocated_anew_gets_its_new_hca(node: Node) -> None:
    """Its unprepare was lost: the claim went to another node and came back."""
    node.api.put(ref(1), result(FIRST))
    await node.instance().prepare(ref(1))
    node.api.put(ref(1), result(SECOND))
    record = await node.instance().prepare(ref(1))
    assert [each.device for each in record.devices] == [SECOND]
    ((paths, _),) = node.edits(ref(1)).values()
    assert "/dev/infiniband/uverbs2" in paths


async def test_fields_that_a_newer_api_server_adds_change_nothing(node: Node) -> None:
    node.api.put(ref(1), result(FIRST))
    first = await node.instance().prepare(ref(1))
    node.api.put(ref(1), result(FIRST, something="new"))
    assert await node.instance().prepare(ref(1)) == first


async def test_a_claim_of_the_same_name_with_another_uid_is_refused(node: Node) -> None:
    node.api.put(ref(2, "claim"), result(FIRST))
    with pytest.raises(ClaimError, match="another claim of this name"):
        await node.instance().prepare(ref(1, "claim"))


async def test_a_device_that_another_claim_holds_alone_is_refused(node: Node) -> None:
    node.hardware = offered(hca(1), each=True)
    instance = node.instance()
    for number in (1, 2):
        node.api.put(ref(number), result(f"{FIRST}-0"))
    await instance.prepare(ref(1))
    with pytest.raises(ClaimError, match="held by claim default/claim-1"):
        await node.instance().prepare(ref(2))
    assert node.metrics.claim_prepares.values == {(DRIVER, "ok"): 1, (DRIVER, "refused"): 1}
    await instance.unprepare(ref(1))
    await node.instance().prepare(ref(2))


async def test_a_shared_device_has_many_holders(node: Node) -> None:
    for number in range(1, 9):
        node.api.put(ref(number), result(FIRST, shareID=f"s{number}"))
        await node.instance().prepare(ref(number))
    assert len(list(node.claims.iterdir())) == 8
    assert node.metrics.claims.values == {DRIVER: 8}


async def test_unprepare_removes_the_file_and_the_spec(node: Node) -> None:
    node.api.put(ref(1), result(FIRST))
    instance = node.instance()
    await instance.prepare(ref(1))
    await instance.unprepare(ref(1))
    assert node.files() == []
    assert node.metrics.claims.values == {DRIVER: 0}
    await instance.unprepare(ref(1))
    await node.instance().unprepare(ref(7))
    assert node.metrics.claim_unprepares.values == {(DRIVER, "ok"): 3}


async def test_one_instance_prepares_and_the_other_unprepares(node: Node) -> None:
    node.api.put(ref(1), result(FIRST))
    old, new = node.instance(), node.instance()
    first = await old.prepare(ref(1))
    assert await new.prepare(ref(1)) == first
    await new.unprepare(ref(1))
    assert node.files() == []
    await old.unprepare(ref(1))


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', '{"version": 1}', '{"version": "2"}', "\0"])
async def test_a_damaged_file_is_kept_and_the_claim_prepared_anew(
    node: Node, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    node.api.put(ref(1), result(FIRST))
    first = await node.instance().prepare(ref(1))
    node.file(ref(1)).write_text(text)
    instance = node.instance()
    await instance.renew()
    await instance.renew()
    reported = [each for each in caplog.messages if "cannot be used" in each]
    assert len(reported) == 1
    assert str(node.file(ref(1))) in reported[0]
    assert (instance.claims.value, instance.count.value) == ({}, 1)  # kubelet will give it back
    assert node.spec(ref(1)).exists()  # a container of the claim may restart
    assert await instance.prepare(ref(1)) == first
    assert node.file(ref(1)).with_suffix(".json.damaged").read_text() == text
    await instance.unprepare(ref(1))
    assert node.files() == []


async def test_a_claim_whose_prepare_failed_can_be_named(node: Node) -> None:
    """kubelet may forget it too. A file without a name is one of an earlier version."""
    for number in (1, 2):
        with pytest.raises(RdmaDpError):
            await node.instance().prepare(ref(number))
    (node.claims / f"{ref(2).uid}.owed").write_text("")
    kept = await node.instance().kept()
    assert {uid: each.ref for uid, each in kept.items()} == {ref(1).uid: ref(1), ref(2).uid: None}
    assert await node.instance().release(ref(1).uid, kept[ref(1).uid])
    assert node.files() == [f"{ref(2).uid}.owed"]


async def test_a_claim_that_is_prepared_meanwhile_is_not_released(node: Node) -> None:
    node.api.put(ref(1), result(FIRST))
    await node.instance().prepare(ref(1))
    kept = (await node.instance().kept())[ref(1).uid]
    await node.instance().prepare(ref(1))
    assert not await node.instance().release(ref(1).uid, kept)
    kept = (await node.instance().kept())[ref(1).uid]
    assert await node.instance().release(ref(1).uid, kept)
    assert node.files() == []


async def test_a_file_of_another_claim_or_driver_is_damaged(node: Node) -> None:
    node.api.put(ref(1), result(FIRST))
    await node.instance().prepare(ref(1))
    document = json.loads(node.file(ref(1)).read_text())
    for key in ("uid", "driver"):
        node.file(ref(1)).write_text(json.dumps({**document, key: "other"}))
        instance = node.instance()
        await instance.renew()
        assert instance.claims.value == {}


async def test_a_file_of_a_newer_version_is_neither_lost_nor_guessed(node: Node) -> None:
    node.api.put(ref(1), result(FIRST))
    await node.instance().prepare(ref(1))
    newer = json.dumps({"version": 2, "anything": True})
    node.file(ref(1)).write_text(newer)
    with pytest.raises(NewerFileError, match="a newer rdma-dp wrote it: version 2, this one"):
        await node.instance().prepare(ref(1))
    await node.instance().renew()
    assert node.file(ref(1)).read_text() == newer
    assert node.spec(ref(1)).exists()
    await node.instance().unprepare(ref(1))  # nothing holds the claim any more
    assert node.files() == []


async def test_files_of_others_in_the_directory_are_left_alone(node: Node) -> None:
    node.claims.mkdir(parents=True)
    node.cdi.mkdir()
    for path in (node.claims / "README", node.claims / "x..json", node.cdi / "other.json"):
        path.write_text("{}")
    node.api.put(ref(1), result(FIRST))
    await node.instance().prepare(ref(1))
    await node.instance().unprepare(ref(1))
    assert node.files() == ["README", "other.json", "x..json"]


@pytest.mark.parametrize("uid", ["", ".", "..", "a/b", "../x", "a b", "ä", "a" * 200, "a\n"])
async def test_a_uid_that_could_leave_the_directory_is_refused(node: Node, uid: str) -> None:
    of = ClaimRef("default", "claim", uid)
    node.api.put(of, result(FIRST))
    for call in (node.instance().prepare, node.instance().unprepare):
        with pytest.raises(ClaimError, match="is no UID"):
            await call(of)
    assert node.files() == []


async def test_a_directory_that_cannot_be_written_is_one_message(node: Node) -> None:
    node.root.joinpath("plugins").write_text("a file")
    node.api.put(ref(1), result(FIRST))
    with pytest.raises(StoreError, match=r"cannot (lock|read) .*plugins"):
        await node.instance().prepare(ref(1))
    instance = node.instance()
    await instance.renew()
    assert instance.claims.value is None


async def test_a_cdi_directory_that_cannot_be_written_fails_the_claim(node: Node) -> None:
    node.cdi.write_text("a file")
    node.api.put(ref(1), result(FIRST))
    with pytest.raises(RdmaDpError, match=r"cannot use .*cdi"):
        await node.instance().prepare(ref(1))
    node.cdi.unlink()
    await node.instance().prepare(ref(1))
    assert node.spec(ref(1)).exists()


async def test_a_request_that_ends_meanwhile_leaves_a_whole_claim_or_none(node: Node) -> None:
    node.api.put(ref(1), result(FIRST))
    instance = node.instance()
    task = asyncio.create_task(instance.prepare(ref(1)))
    await node.api.was_asked.wait()
    task.cancel()
    await asyncio.wait([task])
    assert node.file(ref(1)).exists() == node.spec(ref(1)).exists()
    await instance.unprepare(ref(1))
    assert node.files() == []


async def test_requests_for_one_claim_come_one_after_the_other(node: Node) -> None:
    node.api.put(ref(1), result(FIRST))
    instance = node.instance()
    calls = [instance.prepare(ref(1)) for _ in range(5)] + [instance.unprepare(ref(1))]
    await asyncio.gather(*calls)
    assert node.files() == []


async def test_many_claims_at_once(node: Node) -> None:
    instances = [node.instance(), node.instance()]
    for number in range(40):
        node.api.put(ref(number), result(FIRST, shareID=f"s{number}"))
    await asyncio.gather(*(instances[n % 2].prepare(ref(n)) for n in range(40)))
    assert len(list(node.claims.iterdir())) == len(list(node.cdi.iterdir())) == 40
    await asyncio.gather(*(instances[n // 20].unprepare(ref(n)) for n in range(40)))
    assert node.files() == []


def test_no_descriptor_stays_open(node: Node) -> None:
    async def once() -> None:
        node.api.put(ref(1), result(FIRST))
        await node.instance().prepare(ref(1))
        await node.instance().unprepare(ref(1))

    asyncio.run(once())
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        asyncio.run(once())
    assert len(list(Path("/proc/self/fd").iterdir())) == before
