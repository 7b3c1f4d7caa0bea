"""What holds for any host and any text."""

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rdma_dp.discovery import scan
from rdma_dp.discovery.char_devices import device_number
from rdma_dp.discovery.pci_functions import _hex_id, parent_of
from rdma_dp.discovery.ports import _rate, _word
from rdma_dp.discovery.vpd import is_switch_management
from rdma_dp.host.files import Host
from rdma_dp.inventory.hardware import natural_key
from simulator import host as simulated
from simulator.host import vpd as standin_vpd
from simulator.host.manifest import Function, Manifest

# --- whole hosts --------------------------------------------------------------------------------

IDS = ("15b3:1021", "15b3:101e", "15b3:1003", "8086:1592", "14e4:1750", "1d0f:efa2", "8086:15bb")
DRIVERS = ("auto", "auto", "none", "vfio-pci", "mystery")
DAMAGE = ("vendor", "device", "class", "numa_node", "driver", "infiniband", "net")
GARBAGE = st.sampled_from(("", "\n", "\0", "0x", "-", "15b3", "9" * 40, "Å\n", "4:", " \x1f "))


@st.composite
def functions(draw: st.DrawFn, number: int) -> Function:
    has_hcas = draw(st.booleans())
    return Function.model_validate(
        {
            "id": draw(st.sampled_from(IDS)),
            "class": draw(st.sampled_from(("0200", "0207", "0280", "0c06", "0302"))),
            "driver": draw(st.sampled_from(DRIVERS)),
            "numa": draw(st.sampled_from((-1, 0, 1, "none"))),
            "hcas": {
                f"hca{number}_{index}": {"ports": draw(st.lists(st.integers(1, 3), unique=True))}
                for index in range(draw(st.integers(0, 2)) if has_hcas else 0)
            },
            "net": [f"net{number}_{index}" for index in range(draw(st.integers(0, 2)))],
            "remove": draw(st.lists(st.sampled_from(DAMAGE), max_size=2, unique=True)),
            "files": draw(
                st.dictionaries(st.sampled_from(("vendor", "device", "numa_node")), GARBAGE)
            ),
            "links": {},
        }
    )


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    count = draw(st.integers(0, 4))
    found = {f"0000:{number + 1:02x}:00.0": draw(functions(number)) for number in range(count)}
    netdevs = [name for function in found.values() for name in function.net]
    slaves = draw(st.lists(st.sampled_from(netdevs), unique=True)) if netdevs else []
    return Manifest(
        title="any host",
        netns=draw(st.sampled_from(("shared", "exclusive"))),
        functions=found,
        bonds={"bond0": {"slaves": slaves}} if draw(st.booleans()) else {},
        not_loaded=tuple(draw(st.sets(st.sampled_from(("ib_umad", "ib_uverbs", "mlx5_ib"))))),
    )


@pytest.fixture(scope="module")
def ground(memory: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=memory) as directory:
        yield Path(directory)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(manifest=manifests())
def test_any_host_is_scanned_without_an_error(manifest: Manifest, ground: Path) -> None:
    with tempfile.TemporaryDirectory(dir=ground) as directory:
        root = Path(directory) / "host"
        simulated.build(manifest, root)
        inventory = scan(Host(root))
    names = [hca.name for hca in inventory.hcas]
    assert len(set(names)) == len(names)
    assert names == sorted(names, key=natural_key)
    paths = [hca.uverbs.path for hca in inventory.hcas if hca.uverbs]
    assert len(set(paths)) == len(paths)
    busy = {hca.function.address for hca in inventory.hcas if hca.function}
    assert not busy & {other.function.address for other in inventory.unused_functions}
    assert all(other.reason for other in inventory.unused_functions)
    assert all(hca.uverbs for hca in inventory.hcas if hca.shareable)


# --- names --------------------------------------------------------------------------------------


def test_names_sort_as_people_count() -> None:
    names = ["mlx5_10", "mlx5_bond_0", "mlx5_2", "mlx5_1", "ib0", "mlx5", "10", "9"]
    assert sorted(names, key=natural_key) == [
        "9", "10", "ib0", "mlx5", "mlx5_1", "mlx5_2", "mlx5_10", "mlx5_bond_0",
    ]  # fmt: skip


@given(st.lists(st.text(max_size=12), unique=True), st.randoms(use_true_random=False))
def test_the_order_of_names_does_not_depend_on_where_they_come_from(
    names: list[str], shuffler: random.Random
) -> None:
    shuffled = shuffler.sample(names, len(names))
    assert sorted(names, key=natural_key) == sorted(shuffled, key=natural_key)


# --- parsers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("4: ACTIVE", "ACTIVE"), ("7: Phy Test", "Phy Test"), ("ACTIVE", "ACTIVE"), ("4:", None),
        ("", None), (None, None),
    ],
)  # fmt: skip
def test_states_are_words(text: str | None, word: str | None) -> None:
    assert _word(text) == word


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("400 Gb/sec (4X NDR)", 400.0), ("2.5 Gb/sec (1X SDR)", 2.5), ("nan Gb/sec", None),
        ("inf", None), ("1e400 Gb/sec", None), ("-1 Gb/sec", None), ("\x1f", None), ("", None),
        (None, None),
    ],
)  # fmt: skip
def test_rates_are_finite_gigabits(text: str | None, rate: float | None) -> None:
    assert _rate(text) == rate


@pytest.mark.parametrize(
    ("text", "hex_id"),
    [
        ("0x15b3", "15b3"), ("0X15B3", "15b3"), ("15b3", "15b3"), ("0x15b", None), ("0x", None),
        ("0x15b33", None), ("mlx5", None), ("", None), (None, None),
    ],
)  # fmt: skip
def test_ids_are_four_hex_digits(text: str | None, hex_id: str | None) -> None:
    assert _hex_id(text) == hex_id


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("sys/devices/pci0000:3a/0000:3a:00.0/0000:3b:00.0/infiniband/mlx5_0",
         ("0000:3b:00.0", None)),
        ("sys/devices/pci0000:02/0000:03:00.0/mlx5_core.sf.2/infiniband/mlx5_2",
         ("0000:03:00.0", "mlx5_core.sf.2")),
        ("sys/devices/pci10000:e0/10000:e1:00.0/infiniband/x", ("10000:e1:00.0", None)),
        ("sys/devices/virtual/infiniband/rxe0", None),
        ("sys/devices/pci0000:3a/net/0000:3b:00.9", None),
    ],
)  # fmt: skip
def test_the_innermost_function_is_the_parent(
    path: str, found: tuple[str, str | None] | None
) -> None:
    parent = parent_of(path)
    assert (parent and (parent.address, parent.subfunction)) == found


@given(st.text())
def test_no_text_breaks_a_parser(text: str) -> None:
    assert _word(text) is None or ":" not in (_word(text) or "")
    rate = _rate(text)
    assert rate is None or 0 <= rate < 1e9
    assert len(_hex_id(text) or "0000") == 4
    assert device_number(text) is None or ":" in text
    parent_of(text)


@given(st.binary())
def test_no_bytes_break_the_reading_of_vital_product_data(data: bytes) -> None:
    assert is_switch_management(data) in (True, False)
    assert not is_switch_management(b"SMDL=SW_MNG" + data[:2])  # not in a read-only resource


@given(st.integers(0, 120))
def test_cut_off_vital_product_data_never_make_a_manager_of_a_card(length: int) -> None:
    manager = standin_vpd.encode({"name": "CX7", "VA": "MLX:MODL=CX7:SMDL=SW_MNG"})
    card = standin_vpd.encode({"name": "SMDL=SW_MNG", "VA": "MLX:MODL=CX7"})
    assert is_switch_management(manager)
    assert not is_switch_management(card[:length])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=64))
def test_any_content_of_an_attribute_can_be_read(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "attribute").write_bytes(content)
    host = Host(tmp_path)
    text = host.read("attribute")
    assert text is not None
    assert text == text.strip("\0 \t\r\n")
    assert host.read_int("attribute") is None or host.read_int("attribute") == int(text)
