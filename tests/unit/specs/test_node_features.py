import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.inventory.hardware import Hca, NetDevice, PciFunction, Port
from rdma_dp.specs import node_features
from rdma_dp.specs.node_features import Rates, known_rates
from tests.makers import hca, hca_lists

# A label, from Kubernetes, "Labels and Selectors": name and value have up to 63 characters, and
# begin and end with a letter or a digit. nfd-master takes labels of this namespace without a flag.
WORD = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
LINE = re.compile(rf"feature\.node\.kubernetes\.io/({WORD})=({WORD})", re.ASCII)

LARGEST_FILE = 65536  # bytes; NFD ignores a larger one (source/local/local.go)

any_text = st.text(max_size=80)


def labels(*hcas: Hca, rates: Rates | None = None) -> dict[str, str]:
    """The labels that NFD makes for these HCAs."""
    text = node_features.text(hcas, known_rates(hcas) if rates is None else rates)
    return parsed(text or "")


def parsed(text: str) -> dict[str, str]:
    found = {}
    for line in text.splitlines():
        label = LINE.fullmatch(line)
        assert label, line
        found[label[1]] = label[2]
    return found


def with_driver(driver: str | None) -> Hca:
    return hca(functions=(PciFunction("0000:18:00.0", driver=driver),))


def with_port(rate: float | None, state: str | None = "ACTIVE", number: int = 0) -> Hca:
    return hca(number, ports=(Port(1, state, rate=rate, link_layer="InfiniBand"),), netdevs=())


def test_the_labels_say_what_is_shared() -> None:
    infiniband = with_port(400.0, number=1)
    assert labels(hca(), infiniband) == {
        "rdma-dp.hcas": "2",
        "rdma-dp.max-rate-gbps": "400",
        "rdma-dp.link-ether": "true",
        "rdma-dp.link-infiniband": "true",
        "rdma-dp.driver-mlx5_core": "true",
    }


def test_the_interfaces_of_gpudirect_are_labels() -> None:
    found = parsed(node_features.text((hca(),), {}, ["dmabuf", "peer-memory"]) or "")
    names = {name for name in found if "gpudirect" in name}
    assert names == {"rdma-dp.gpudirect-dmabuf", "rdma-dp.gpudirect-peer-memory"}


def test_without_hcas_there_is_no_file() -> None:
    assert node_features.text((), {}, ["dmabuf"]) is None


def test_what_the_node_does_not_show_has_no_label() -> None:
    virtual = hca(functions=(), ports=(), netdevs=())
    assert labels(virtual) == {"rdma-dp.hcas": "1"}
    assert labels(with_driver(None)).keys() == labels(with_driver("efa")).keys() - {
        "rdma-dp.driver-efa"
    }


@pytest.mark.parametrize(
    ("rate", "shown"), [(2.5, "2"), (100.0, "100"), (0.5, None), (0.0, None), (None, None)]
)
def test_the_rate_is_a_whole_number(rate: float | None, shown: str | None) -> None:
    """Gt and Lt of a node affinity compare whole numbers only."""
    assert labels(with_port(rate)).get("rdma-dp.max-rate-gbps") == shown


def test_a_port_that_goes_down_keeps_its_rate() -> None:
    """The kernel reports the rate of a slower link while the port is down."""
    before = known_rates([with_port(400.0)])
    down = with_port(10.0, "DOWN")
    assert known_rates([down], before) == before
    assert labels(down, rates=known_rates([down], before))["rdma-dp.max-rate-gbps"] == "400"
    slower = with_port(200.0)
    assert labels(slower, rates=known_rates([slower], before))["rdma-dp.max-rate-gbps"] == "200"


def test_a_port_that_was_never_up_has_no_rate() -> None:
    assert "rdma-dp.max-rate-gbps" not in labels(with_port(10.0, "DOWN"))


def test_another_hca_with_the_same_name_has_a_rate_of_its_own() -> None:
    before = known_rates([with_port(400.0)])
    other = hca(0, functions=(PciFunction("0000:77:00.0"),), ports=(Port(1, "DOWN", rate=10.0),))
    assert known_rates([other], before) == {}
    assert known_rates([], before) == {}


@pytest.mark.parametrize("state", ["DOWN", "INIT", "ARMED", "ACTIVE_DEFER"])
@given(hcas=hca_lists())
def test_the_state_of_ports_changes_no_label(state: str, hcas: tuple[Hca, ...]) -> None:
    before = known_rates(hcas)
    down = tuple(_with_states(each, state) for each in hcas)
    assert labels(*down, rates=known_rates(down, before)) == labels(*hcas)


def _with_states(each: Hca, state: str) -> Hca:
    ports = tuple(Port(p.number, state, None, p.link_layer, 10.0, p.netdevs) for p in each.ports)
    return hca(**{field: getattr(each, field) for field in each.__slots__} | {"ports": ports})


@given(hca_lists(), any_text, any_text, st.none() | st.floats(0, 1e6))
def test_any_inventory_gives_labels_that_kubernetes_takes(
    hcas: tuple[Hca, ...], driver: str, link_type: str, rate: float | None
) -> None:
    odd = hca(
        77,
        functions=(PciFunction("0000:77:00.0", driver=driver),),
        netdevs=(NetDevice("eth77", link_type),),
        ports=(Port(1, "ACTIVE", rate=rate),),
    )
    found = labels(*hcas, odd)
    assert found["rdma-dp.hcas"] == str(len(hcas) + 1)
    assert set(labels(*hcas)) <= set(found) | {"rdma-dp.max-rate-gbps"}


def test_a_file_of_a_node_with_many_hcas_is_not_too_large() -> None:
    hcas = [hca(0, functions=(PciFunction(f"{n}", driver=f"{n}" * 60),)) for n in range(300)]
    text = node_features.text(hcas, known_rates(hcas))
    assert text is not None
    assert len(text) < LARGEST_FILE


@given(hca_lists())
def test_the_order_of_the_hcas_does_not_matter(hcas: tuple[Hca, ...]) -> None:
    rates = known_rates(hcas)
    assert node_features.text(hcas, rates) == node_features.text(hcas[::-1], rates)


@given(hca_lists())
def test_our_file_is_ours(hcas: tuple[Hca, ...]) -> None:
    text = node_features.text(hcas, known_rates(hcas)) or ""
    assert node_features.is_ours("rdma-dp.features", text.encode())
    assert not node_features.is_ours("other.features", text.encode())


@pytest.mark.parametrize("line", ["vendor.io/a=b", "rdma-dp.hcas=1", "# +no-label", "\xff"])
def test_a_file_with_other_lines_is_not_ours(line: str) -> None:
    text: Any = node_features.text([hca()], {})
    assert not node_features.is_ours("rdma-dp.features", f"{text}{line}\n".encode("latin-1"))
