"""What an allocated claim gives, and the errors that a pod's owner reads."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.config import DraSettings, DraSlots, EnvForm
from rdma_dp.dra.claims import (
    ClaimError,
    Holding,
    PreparedClaim,
    check_free,
    prepared,
)
from rdma_dp.dra.devices import DraDevice, dra_devices
from tests.makers import hca, pool
from tests.unit.dra.makers import DRIVER, NODE, devices, places, settings, via_dra

ENV = {"NCCL_IB_HCA": EnvForm.HCAS, "UCX_NET_DEVICES": EnvForm.PORTS}
HCAS = tuple(hca(number) for number in range(4))
SHARED = devices(*HCAS, of=via_dra(env=ENV))


def result(request: str, device: str | DraDevice, **more: Any) -> dict[str, Any]:
    name = device if isinstance(device, str) else device.name
    return {"request": request, "driver": DRIVER, "pool": NODE.name, "device": name, **more}


def parameters(
    *requests: str, source: str = "FromClaim", driver: str = DRIVER, **fields: Any
) -> dict[str, Any]:
    written = {"apiVersion": f"{DRIVER}/v1", "kind": "HcaConfig", **fields}
    return {
        "source": source,
        "requests": list(requests),
        "opaque": {"driver": driver, "parameters": written},
    }


def claim(*results: dict[str, Any], config: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    allocated: dict[str, Any] = {"results": list(results)}
    if config is not None:
        allocated["config"] = config
    return {
        "metadata": {"namespace": "ns", "name": "dev", "uid": "u1"},
        "status": {"allocation": {"devices": allocated}},
    }


def given_by(made: dict[str, Any], among: tuple[DraDevice, ...] = SHARED) -> PreparedClaim:
    return prepared(made, among, DRIVER, NODE.name, "u1")


def error_of(made: dict[str, Any], among: tuple[DraDevice, ...] = SHARED) -> str:
    with pytest.raises(ClaimError) as caught:
        given_by(made, among)
    return str(caught.value)


# --- what it gives ------------------------------------------------------------------------------


def test_one_request_of_a_shared_hca() -> None:
    found = given_by(claim(result("hca", SHARED[1], shareID="s-1")))
    (device,) = found.devices
    assert (found.uid, found.namespace, found.name) == ("u1", "ns", "dev")
    assert (device.request, device.pool, device.device) == ("hca", "node-1", "hca-0000-01-00-0")
    assert (device.share_id, device.admin, device.hcas) == ("s-1", False, ("mlx5_1",))
    assert device.grant.devices == (
        "/dev/infiniband/rdma_cm",
        "/dev/infiniband/umad1",
        "/dev/infiniband/uverbs1",
    )
    assert found.env == {
        "RDMA_DP_HCA_HCAS": "mlx5_1",
        "NCCL_IB_HCA": "=mlx5_1",
        "UCX_NET_DEVICES": "mlx5_1:1",
    }


def test_several_requests_have_one_value_of_each_variable() -> None:
    found = given_by(
        claim(result("hca1", SHARED[2]), result("hca0", SHARED[0]), result("gpu", "x", driver="g"))
    )
    assert found.env["RDMA_DP_HCA_HCAS"] == "mlx5_0,mlx5_2"
    assert found.env["NCCL_IB_HCA"] == "=mlx5_0,mlx5_2"
    assert found.env_of("hca0")["RDMA_DP_HCA0_HCAS"] == "mlx5_0"
    assert found.env_of("hca1")["RDMA_DP_HCA1_HCAS"] == "mlx5_2"
    assert [device.request for device in found.devices] == ["hca1", "hca0"]


def test_a_request_with_the_name_of_the_resource_does_not_hide_the_others() -> None:
    found = given_by(claim(result("hca", SHARED[0]), result("more", SHARED[1])))
    for request in ("hca", "more"):
        assert found.env_of(request)["RDMA_DP_HCA_HCAS"] == "mlx5_0,mlx5_1"


def test_one_hca_of_two_requests_is_listed_once() -> None:
    found = given_by(
        claim(result("a", SHARED[0], shareID="1"), result("b", SHARED[0], shareID="2"))
    )
    assert [device.share_id for device in found.devices] == ["1", "2"]
    assert found.env["RDMA_DP_HCA_HCAS"] == "mlx5_0"
    assert found.env["NCCL_IB_HCA"] == "=mlx5_0"


def test_a_subrequest_has_the_name_of_its_request() -> None:
    found = given_by(
        claim(
            result("hca/fast", SHARED[0]),
            config=[
                parameters("hca/slow", env={"SLOW": "hcas"}),
                parameters("hca/fast", env={"FAST": "hcas"}),
                parameters("hca", env={"EITHER": "ports"}),
            ],
        )
    )
    assert found.devices[0].request == "hca"
    assert set(found.env) >= {"FAST", "EITHER"}
    assert "SLOW" not in found.env
    assert found.env_of("hca") == {**found.env}


def test_all_hcas_for_administration() -> None:
    results = [result("all", each, adminAccess=True, shareID=each.name) for each in SHARED]
    found = given_by(claim(*results))
    assert all(device.admin for device in found.devices)
    assert found.env["RDMA_DP_HCA_HCAS"] == "mlx5_0,mlx5_1,mlx5_2,mlx5_3"


def test_two_resources_that_set_one_variable_are_both_in_it() -> None:
    pools = [
        pool(HCAS[0], of=via_dra(name="a", env={"NCCL_IB_HCA": EnvForm.HCAS})),
        pool(HCAS[1], of=via_dra(name="b", env={"NCCL_IB_HCA": EnvForm.PORTS})),
    ]
    first, second = dra_devices(pools, places(*HCAS), DraSettings())
    found = given_by(claim(result("x", first), result("y", second)), (first, second))
    assert found.env == {
        "RDMA_DP_A_HCAS": "mlx5_0",
        "RDMA_DP_B_HCAS": "mlx5_1",
        "NCCL_IB_HCA": "=mlx5_0,mlx5_1",
    }


def test_a_claim_without_our_devices_gives_nothing() -> None:
    found = given_by(claim(result("gpu", "gpu-0", driver="gpu.example.com")))
    assert (found.devices, dict(found.env)) == ((), {})


# --- parameters ---------------------------------------------------------------------------------


def test_what_the_claim_says_counts_over_its_class_and_the_resource() -> None:
    config = [
        parameters(source="FromClaim", env={"A": "hcas", "UCX_NET_DEVICES": "hcas"}),
        parameters(source="FromClass", env={"A": "ports", "B": "ports"}),
        parameters(driver="gpu.example.com", nonsense=True),
    ]
    found = given_by(claim(result("hca", SHARED[0]), config=config))
    assert (found.env["A"], found.env["B"]) == ("=mlx5_0", "mlx5_0:1")
    assert found.env["UCX_NET_DEVICES"] == "=mlx5_0"


def test_parameters_of_one_request_list_its_hcas() -> None:
    config = [parameters("hca1", env={"RAIL1": "ports"})]
    found = given_by(claim(result("hca0", SHARED[0]), result("hca1", SHARED[1]), config=config))
    assert found.env["RAIL1"] == "mlx5_1:1"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kind": "HcaConfg"}, "kind is 'HcaConfg'; write HcaConfig"),
        ({"apiVersion": "v1"}, f"apiVersion is 'v1'; write {DRIVER}/v1"),
        ({"apiVersion": None}, f"apiVersion is missing; write {DRIVER}/v1"),
        ({"envs": {}}, "unknown field 'envs'; did you mean env?"),
        ({"env": ["A"]}, "env is ['A']; write env: {NCCL_IB_HCA: hcas}"),
        ({"env": {"A": "HCAS"}}, "env.'A' is 'HCAS'; did you mean hcas?"),
        ({"env": {"A": 3}}, "env.'A' is 3; known here: hcas, ports"),
        ({"env": {"A=B": "hcas"}}, "'A=B' is not an environment variable"),
        ({"env": {"RDMA_DP_X_HCAS": "hcas"}}, "is a variable that every container gets already"),
        ({"env": {"A\n": "hcas"}}, "cannot be printed"),
    ],
)
def test_wrong_parameters_say_what_to_write(fields: dict[str, Any], said: str) -> None:
    error = error_of(claim(result("hca", SHARED[0]), config=[parameters("hca", **fields)]))
    assert said in error
    assert error.startswith("claim ns/dev: parameters of the claim for request hca: ")
    assert error.isprintable()


def test_parameters_that_are_no_object_are_wrong() -> None:
    config = [{"source": "FromClass", "opaque": {"driver": DRIVER, "parameters": "x"}}]
    error = error_of(claim(result("hca", SHARED[0]), config=config))
    assert "parameters of the device class: not an object; write apiVersion" in error


def test_all_problems_are_in_one_error() -> None:
    error = error_of(
        claim(result("hca", "x"), config=[parameters(kind="A", env={"B": "C"})]),
    )
    for part in ("device x is gone", "kind is 'A'", "env.'B' is 'C'"):
        assert part in error


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)


@given(_json)
def test_any_parameters_give_variables_or_an_error_in_words(written: object) -> None:
    config = [{"source": "FromClaim", "opaque": {"driver": DRIVER, "parameters": written}}]
    try:
        given_by(claim(result("hca", SHARED[0]), config=config))
    except ClaimError as error:
        assert str(error).startswith("claim ns/dev: parameters of the claim: ")
        assert len(str(error)) < 1024


# --- errors -------------------------------------------------------------------------------------


def test_a_device_that_is_gone_says_what_to_do() -> None:
    error = error_of(claim(result("hca", "hca-0000-09-00-0")))
    assert error == (
        "claim ns/dev: request hca: device hca-0000-09-00-0 is gone: its HCA, or its resource in"
        " the config; delete the pod, and its claim if you made it yourself, so that both are"
        " scheduled anew; the node's administrator sees the devices with `rdma-dp slices`"
    )


def test_a_device_of_another_node() -> None:
    error = error_of(claim(result("hca", SHARED[0], pool="node-2")))
    assert "device hca-0000-00-00-0 is in pool node-2, not on this node, node-1" in error


def test_a_claim_that_is_not_allocated() -> None:
    made = claim()
    made["status"] = {}
    assert "claim ns/dev: not allocated" in error_of(made)


def test_a_claim_that_was_made_anew() -> None:
    with pytest.raises(ClaimError, match="another claim of this name"):
        prepared(claim(result("hca", SHARED[0])), SHARED, DRIVER, NODE.name, "u2")


def test_a_device_of_one_claim_alone_is_not_given_to_another() -> None:
    each = settings(slots="each")
    assert each.slots is DraSlots.EACH
    alone = devices(*HCAS, of=via_dra(2), settings=each)
    wanted = given_by(claim(result("hca", alone[0])), alone)
    admin = given_by(claim(result("hca", alone[0], adminAccess=True)), alone)
    shared = given_by(claim(result("hca", SHARED[0])))

    def held(name: str, uid: str = "u9", *, admin: bool = False) -> list[Holding]:
        return [Holding(uid, "ns/other", NODE.name, name, admin)]

    with pytest.raises(ClaimError) as caught:
        check_free(wanted, alone, held(alone[0].name))
    assert str(caught.value) == (
        f"claim ns/dev: request hca: device {alone[0].name} is held by claim ns/other; the device"
        " is given again when the pods of that claim have ended"
    )
    check_free(wanted, alone, held(alone[0].name, "u1"))  # its own, prepared again
    check_free(wanted, alone, held(alone[0].name, admin=True))
    check_free(wanted, alone, held(alone[1].name))
    check_free(admin, alone, held(alone[0].name))
    check_free(shared, SHARED, held(SHARED[0].name))


# --- any claim ----------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b", "c/x", "c/y"]), st.sampled_from(SHARED)), min_size=1
    ),
    st.lists(
        st.tuples(
            st.sampled_from([(), ("a",), ("c",), ("c/x",), ("b", "c/y")]),
            st.dictionaries(st.sampled_from(["V", "W"]), st.sampled_from(["hcas", "ports"])),
            st.sampled_from(["FromClass", "FromClaim"]),
        ),
        max_size=3,
    ),
)
def test_a_claim_gives_exactly_its_hcas(
    wanted: list[tuple[str, DraDevice]], written: list[tuple[tuple[str, ...], dict[str, str], str]]
) -> None:
    config = [parameters(*names, source=source, env=env) for names, env, source in written]
    found = given_by(claim(*(result(*each) for each in wanted), config=config))
    assert [(each.device, each.hcas) for each in found.devices] == [
        (device.name, device.hcas) for _, device in wanted
    ]
    everything = sorted({name for _, device in wanted for name in device.hcas})
    assert found.env["RDMA_DP_HCA_HCAS"].split(",") == everything
    for request in {name.partition("/")[0] for name, _ in wanted}:
        own = {d.hcas[0] for name, d in wanted if name.partition("/")[0] == request}
        listed = found.env_of(request)[f"RDMA_DP_{request.upper()}_HCAS"]
        assert listed.split(",") == sorted(own)
    for variable in ("V", "W"):
        covered = {
            device.hcas[0]
            for name, device in wanted
            for names, env, _ in written
            if variable in env and (not names or {name, name.partition("/")[0]} & set(names))
        }
        value = found.env.get(variable, "").removeprefix("=").replace(":1", "")
        assert set(filter(None, value.split(","))) == covered
