import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rdma_dp.config import CdiMode, EnvForm, Resource
from rdma_dp.config.values.kubernetes import (
    LONGEST_NAME,
    LONGEST_PREFIX,
    NAME_PATTERN,
    PREFIX_PATTERN,
)
from rdma_dp.inventory.hardware import CharDevice, Hca, PciFunction, System
from rdma_dp.sharing.allocation import Grant, allocate, grant
from rdma_dp.sharing.pool import Pool, make_pool
from rdma_dp.sharing.selection import select
from rdma_dp.specs import cdi
from simulator.host import sample_names
from tests import cdi_model
from tests.conftest import Look
from tests.makers import RDMA_CM, hca, hca_lists, per_hca, pool, resource, selection

VIRTUAL_NAMES = st.text(min_size=1, max_size=63).filter(lambda name: "/" not in name)


def named(full_name: str) -> Resource:
    """A resource with this full name."""
    prefix, _, name = full_name.rpartition("/")
    return replace(resource(name=name), resource_prefix=prefix or "rdma")


def virtual(name: str, number: int = 0) -> Hca:
    return hca(number, name=name, functions=())


def spec_of(of: Pool) -> cdi_model.Spec:
    document = cdi.spec(of)
    assert document is not None
    return cdi_model.parsed(cdi.text(document))


def devices(of: Pool) -> Mapping[str, Sequence[str]]:
    """The paths behind each name."""
    return {
        device.name: [node.path for node in device.container_edits.device_nodes or []]
        for device in spec_of(of).devices
    }


def texts(*pools: Pool) -> list[str]:
    return [cdi.text(document) for each in pools if (document := cdi.spec(each)) is not None]


def resources() -> st.SearchStrategy[Resource]:
    """Resources with every name that the config allows."""
    prefixes = st.just("rdma") | st.from_regex(PREFIX_PATTERN, fullmatch=True).filter(
        lambda prefix: len(prefix) <= LONGEST_PREFIX
    )
    suffixes = st.from_regex(NAME_PATTERN, fullmatch=True).filter(
        lambda name: len(name) <= LONGEST_NAME
    )
    return st.builds(lambda prefix, name: named(f"{prefix}/{name}"), prefixes, suffixes)


# --- names --------------------------------------------------------------------------------------


def test_a_resource_has_a_kind_and_a_file_of_its_own() -> None:
    assert cdi.kind("rdma/rdma_shared_device_a") == "rdma-dp/rdma_rdma_shared_device_a"
    assert cdi.file_name("rdma/a") == "rdma-dp-rdma_a.json"


def test_a_grant_needs_names_and_no_resource_of_the_config() -> None:
    """DRA grants HCAs for a claim, which no resource of the config describes."""
    claimed = Grant("rdma/claim", "claim", {"NCCL_IB_HCA": EnvForm.HCAS}, (hca(),), RDMA_CM)
    assert cdi.names(claimed) == ("rdma-dp/rdma_claim=0000:00:00.0", "rdma-dp/rdma_claim=rdma_cm")
    assert claimed.envs == {"RDMA_DP_CLAIM_HCAS": "mlx5_0", "NCCL_IB_HCA": "=mlx5_0"}


@pytest.mark.parametrize(
    ("full_name", "class_name"),
    [
        ("rdma/a", "rdma_a"),
        ("rdma/a-b_c", "rdma_a-b_c"),
        ("rdma/hca.shared", "rdma_hca-shared-"),
        ("nvidia.com/hca", "nvidia-com_hca-"),
        ("3com/hca", "r-3com_hca-"),
        ("rdma/" + "a" * 63, "rdma_" + "a" * 39 + "-"),
        ("rdma/a-0123456789", "rdma_a-0123456789-"),
    ],
)
def test_characters_that_cdi_does_not_allow_are_replaced_and_a_digest_keeps_names_apart(
    full_name: str, class_name: str
) -> None:
    found = cdi.kind(full_name).removeprefix("rdma-dp/")
    begin, digest = (found, "") if not class_name.endswith("-") else (found[:-10], found[-10:])
    assert begin == class_name
    assert all(digit in "0123456789abcdef" for digit in digest)


@given(resources(), resources())
def test_every_name_that_the_config_allows_gives_a_valid_kind_of_its_own(
    one: Resource, other: Resource
) -> None:
    for each in (one, other):
        spec_of(pool(hca(), of=each))
        assert cdi.is_our_name(cdi.file_name(each.full_name))
    first, second = one.full_name, other.full_name
    assert (cdi.kind(first) == cdi.kind(second)) == (first == second)
    assert (cdi.file_name(first) == cdi.file_name(second)) == (first == second)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("rdma.x/a", "rdma-x/a"),
        ("rdma/a.b", "rdma/a-b"),
        ("a.b/c", "a-b/c"),
        ("rdma/" + "a" * 62 + "b", "rdma/" + "a" * 62 + "c"),
    ],
)
def test_similar_names_have_different_kinds(one: str, other: str) -> None:
    assert cdi.kind(one) != cdi.kind(other)


def test_a_resource_cannot_take_the_kind_of_another_by_its_digest() -> None:
    taken = cdi.kind("rdma/a.b").removeprefix("rdma-dp/rdma_")
    assert cdi.kind(f"rdma/{taken}") != cdi.kind("rdma/a.b")


def test_a_container_gets_a_name_per_hca_and_rdma_cm() -> None:
    assert cdi.names(grant(pool(hca(0), hca(10), hca(2)))) == (
        "rdma-dp/rdma_hca=0000:00:00.0",
        "rdma-dp/rdma_hca=0000:02:00.0",
        "rdma-dp/rdma_hca=0000:0a:00.0",
        "rdma-dp/rdma_hca=rdma_cm",
    )


def test_hcas_on_one_function_are_one_device_with_all_their_nodes() -> None:
    shared = (PciFunction("0000:01:00.0", "15b3", "1007"),)
    both = pool(hca(0, functions=shared), hca(1, functions=shared))
    nodes = ["umad0", "umad1", "uverbs0", "uverbs1"]
    assert devices(both) == {
        "0000:01:00.0": [f"/dev/infiniband/{node}" for node in nodes],
        "rdma_cm": ["/dev/infiniband/rdma_cm"],
    }
    assert len(cdi.names(grant(both))) == 2


def test_resources_that_share_an_hca_have_devices_of_their_own() -> None:
    """With `management` off the device has no umad; that of the other resource keeps it."""
    shared = hca(issms=(CharDevice("issm0", None),))
    plain = replace(resource(name="a"), management=False)
    one, other = pool(shared, of=plain), pool(shared, of=resource(name="b"))
    assert devices(one) == {
        "0000:00:00.0": ["/dev/infiniband/uverbs0"],
        "rdma_cm": ["/dev/infiniband/rdma_cm"],
    }
    assert devices(other)["0000:00:00.0"] == [
        f"/dev/infiniband/{node}" for node in ("issm0", "umad0", "uverbs0")
    ]
    assert not set(cdi.names(grant(one))) & set(cdi.names(grant(other)))
    for each in (one, other):
        names = cdi.names(grant(each))
        assert cdi_model.resolved(names, texts(one, other)) == set(grant(each).devices)


def test_a_node_outside_dev_infiniband_is_in_the_device_of_its_hca() -> None:
    """C12: the name stays as it was, and the node joins it."""
    hfi = hca(umads=(), driver_nodes=(CharDevice("hfi1_0", None, directory="/dev"),))
    assert devices(pool(hfi))["0000:00:00.0"] == ["/dev/hfi1_0", "/dev/infiniband/uverbs0"]


def test_a_container_gets_no_name_that_has_no_nodes() -> None:
    broken = CharDevice("uverbs0", None, checked=True, fault="/dev/infiniband/uverbs0 is missing")
    some = pool(hca(0, uverbs=broken, umads=()), hca(1))
    assert [name.partition("=")[2] for name in cdi.names(grant(some))] == [
        "0000:01:00.0",
        "rdma_cm",
    ]
    assert devices(some).keys() == {"0000:01:00.0", "rdma_cm"}


@pytest.mark.parametrize(
    "name", ["a", "7", "ü", "rxe 0", "-rxe", "rxe-", "rdma_cm", "a\n", "x" * 63]
)
def test_a_virtual_hca_can_have_any_name(name: str) -> None:
    one = pool(virtual(name), virtual("rxe0", 1))
    assert len(devices(one)) == 3
    assert cdi_model.resolved(cdi.names(grant(one)), texts(one)) == set(grant(one).devices)


@given(st.lists(VIRTUAL_NAMES, min_size=2, max_size=4, unique=True))
def test_virtual_hcas_never_share_a_device(found: list[str]) -> None:
    many = pool(*(virtual(name, number) for number, name in enumerate(found)))
    assert len(devices(many)) == len(found) + 1


def test_a_virtual_hca_cannot_take_the_device_of_another_by_its_digest() -> None:
    one, _ = devices(pool(virtual("ü")))
    assert len(devices(pool(virtual("ü"), virtual(one, 1)))) == 3


def test_the_annotation_has_a_key_per_resource() -> None:
    assert cdi.annotations(grant(pool(hca()))) == {
        "cdi.k8s.io/rdma-dp_rdma_hca": "rdma-dp/rdma_hca=0000:00:00.0,rdma-dp/rdma_hca=rdma_cm"
    }


@given(resources(), resources())
def test_annotations_are_valid_and_two_resources_have_different_keys(
    one: Resource, other: Resource
) -> None:
    merged = [grant(pool(hca(), of=each)) for each in (one, other)]
    together = {key: value for each in merged for key, value in cdi.annotations(each).items()}
    assert len(together) == len({one.full_name, other.full_name})
    assert set(cdi_model.checked_annotations(together)) == {
        name for each in merged for name in cdi.names(each)
    }


# --- delivery -----------------------------------------------------------------------------------


def test_without_cdi_a_container_gets_device_nodes() -> None:
    granted = grant(pool(hca()))
    assert cdi.delivered(granted, CdiMode.OFF) == cdi.Delivery(devices=granted.devices)


@pytest.mark.parametrize(
    ("mode", "by_field", "by_annotation"),
    [
        (CdiMode.CRI, True, False),
        (CdiMode.ANNOTATIONS, False, True),
        (CdiMode.BOTH, True, True),
    ],
)
def test_with_cdi_a_container_gets_names_and_no_nodes(
    mode: CdiMode, by_field: bool, by_annotation: bool
) -> None:
    granted = grant(pool(hca()))
    assert cdi.delivered(granted, mode) == cdi.Delivery(
        cdi_devices=cdi.names(granted) if by_field else (),
        annotations=cdi.annotations(granted) if by_annotation else {},
    )


@pytest.mark.parametrize("mode", CdiMode)
def test_an_empty_grant_delivers_nothing(mode: CdiMode) -> None:
    assert cdi.delivered(grant(pool()), mode) == cdi.Delivery()


# --- specs --------------------------------------------------------------------------------------


def test_a_spec_has_these_fields() -> None:
    document = cdi.spec(pool(hca(3)))
    assert document == {
        "cdiVersion": "0.5.0",
        "kind": "rdma-dp/rdma_hca",
        "devices": [
            {
                "name": "0000:03:00.0",
                "containerEdits": {
                    "deviceNodes": [
                        {"path": "/dev/infiniband/umad3", "permissions": "rwm"},
                        {"path": "/dev/infiniband/uverbs3", "permissions": "rwm"},
                    ]
                },
            },
            {
                "name": "rdma_cm",
                "containerEdits": {
                    "deviceNodes": [{"path": "/dev/infiniband/rdma_cm", "permissions": "rwm"}]
                },
            },
        ],
    }
    assert json.loads(cdi.text(document)) == document
    assert cdi.text(document).endswith("\n}\n")


def test_a_pool_without_an_hca_has_no_spec() -> None:
    assert cdi.spec(pool()) is None
    assert cdi.spec(pool(before=pool(hca()))) is None


def test_an_hca_that_is_gone_is_not_in_the_spec() -> None:
    before = pool(hca(0), hca(1), of=per_hca())
    handed_out = cdi.names(allocate(before, ["0000:01:00.0-0"]))
    after = pool(hca(0), of=per_hca(), before=before)
    with pytest.raises(cdi_model.UnresolvableError, match="=0000:01:00"):
        cdi_model.resolved(handed_out, texts(after))


def test_a_spec_without_a_usable_rdma_cm_has_no_such_device() -> None:
    fault = replace(RDMA_CM, checked=True, fault="it is missing")
    without = make_pool(selection(hca()), System("shared", fault))
    assert devices(without).keys() == {"0000:00:00.0"}


@pytest.mark.parametrize("of", [resource(), per_hca()])
@given(found=hca_lists())
def test_names_resolve_to_exactly_the_nodes_of_the_grant(
    of: Resource, found: tuple[Hca, ...]
) -> None:
    full = pool(*found, of=of)
    grants = [allocate(full, [slot.id]) for slot in full.slots if slot.healthy]
    for each in [*grants, grant(full)]:
        assert cdi_model.resolved(cdi.names(each), texts(full)) == set(each.devices)


@given(found=hca_lists(), data=st.data())
def test_a_spec_does_not_depend_on_the_order_of_discovery(
    found: tuple[Hca, ...], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(found))
    assert texts(pool(*found)) == texts(pool(*shuffled))


@pytest.mark.parametrize("of", [resource(), per_hca()])
@pytest.mark.parametrize("order", tuple(permutations(range(3))))
def test_names_from_before_a_reboot_find_the_same_functions_under_new_numbers(
    of: Resource, order: tuple[int, ...]
) -> None:
    """Three functions whose drivers load in another order after the reboot, so numbers change."""
    before = pool(*(on_function(place, place) for place in range(3)), of=of)
    after = pool(*(on_function(place, number) for place, number in enumerate(order)), of=of)
    for slot in before.slots:
        handed_out = allocate(before, [slot.id])
        assert cdi_model.resolved(cdi.names(handed_out), texts(after)) == {
            "/dev/infiniband/rdma_cm",
            *(
                f"/dev/infiniband/{kind}{order[place]}"
                for place in places(handed_out)
                for kind in ("umad", "uverbs")
            ),
        }


def on_function(place: int, number: int) -> Hca:
    return hca(number, functions=(PciFunction(f"0000:0{place}:00.0", "15b3", "101b"),))


def places(granted: Grant) -> list[int]:
    return [int(each.stable_key[6]) for each in granted.hcas]


def test_every_sample_host_has_a_valid_spec(look: Look) -> None:
    for name in sample_names():
        inventory = look(name)
        for of in (resource(), per_hca()):
            full = make_pool(select(inventory, of), inventory.system)
            assert len(texts(full)) == bool(full.hcas)
            assert cdi_model.resolved(cdi.names(grant(full)), texts(full)) == {*grant(full).devices}


# --- which files are ours -----------------------------------------------------------------------

OURS = '{"cdiVersion": "0.5.0", "kind": "rdma-dp/rdma_a", "devices": []}'


@given(resources())
def test_a_file_that_we_write_is_ours(of: Resource) -> None:
    (text,) = texts(pool(hca(), of=of))
    assert cdi.is_ours(cdi.file_name(of.full_name), text.encode())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("nvidia.com-gpu.yaml", "kind: nvidia.com/gpu"),
        ("nvidia.com-gpu.json", OURS),
        ("rdma-dp-rdma_a.yaml", OURS),
        ("rdma-dp-rdma_b.json", OURS),
        ("rdma-dp-rdma_a.json.bak", OURS),
        ("rdma-dp-rdma_a.json", OURS.replace("rdma-dp/", "nvidia.com/")),
        ("rdma-dp-rdma_a.json", ""),
        ("rdma-dp-rdma_a.json", "{"),
        ("rdma-dp-rdma_a.json", "[]"),
        ("rdma-dp-rdma_a.json", "[" * 100_000),
        ("rdma-dp-rdma_a.json", '{"kind": ["rdma-dp/rdma_a"]}'),
    ],
)
def test_a_file_of_another_program_is_not_ours(name: str, content: str) -> None:
    assert not cdi.is_ours(name, content.encode())


@given(st.text(max_size=20), st.binary(max_size=40))
def test_random_content_does_not_make_a_file_ours(name: str, content: bytes) -> None:
    assert not cdi.is_ours(name, content)
    assert not cdi.is_ours("rdma-dp-rdma_a.json", content)


# --- the model rejects broken specs -------------------------------------------------------------


@pytest.mark.parametrize(
    "broken",
    [
        OURS,
        OURS.replace("[]", '[{"name": "a b", "containerEdits": {"env": ["A=1"]}}]'),
        OURS.replace("[]", '[{"name": "ab", "containerEdits": {}}]'),
        OURS.replace("[]", '[{"name": "ab", "containerEdits": {"gpus": 1}}]'),
        OURS.replace("[]", '[{"name": "ab", "containerEdits": {"deviceNodes": [{"path": "x"}]}}]'),
    ],
)
def test_the_model_rejects_an_invalid_spec(broken: str) -> None:
    with pytest.raises(ValidationError):
        cdi_model.parsed(broken)
