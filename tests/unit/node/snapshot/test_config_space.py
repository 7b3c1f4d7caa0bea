from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.discovery.pcie_config import acs
from rdma_dp.node.snapshot.pci_serials import config_space_without_serials

SERIAL = bytes.fromhex("000000feff4d2c0a")  # an EUI-64, as PCI_EXT_CAP_ID_DSN holds it


def space(*capabilities: tuple[int, bytes]) -> bytes:
    """A function's 4096 bytes with these extended capabilities, each 0x40 after the last."""
    config = bytearray(4096)
    config[0:4] = bytes.fromhex("b3152110")
    for index, (kind, body) in enumerate(capabilities):
        begin = 0x100 + 0x40 * index
        following = begin + 0x40 if index + 1 < len(capabilities) else 0
        config[begin : begin + 4] = (kind | 1 << 16 | following << 20).to_bytes(4, "little")
        config[begin + 4 : begin + 4 + len(body)] = body
    return bytes(config)


def test_the_serial_number_is_removed_and_what_discovery_reads_is_kept() -> None:
    config = space((0x0003, SERIAL), (0x000D, bytes.fromhex("00005d00")), (0x000B, SERIAL))
    masked = config_space_without_serials(config)
    assert SERIAL not in masked
    assert len(masked) == len(config)
    found = acs(masked)
    assert found is not None
    assert found == acs(config)
    assert found.redirects
    assert masked[:64] == config[:64]


@given(st.binary(max_size=5000))
def test_any_bytes_keep_their_length_and_their_acs(config: bytes) -> None:
    masked = config_space_without_serials(config)
    assert len(masked) == len(config)
    assert acs(masked) == acs(config)


@given(st.lists(st.tuples(st.integers(1, 0x30), st.binary(max_size=0x3C)), max_size=20))
def test_only_acs_keeps_its_body(capabilities: list[tuple[int, bytes]]) -> None:
    masked = config_space_without_serials(space(*capabilities))
    for index, (kind, _) in enumerate(capabilities):
        if kind != 0x000D:
            assert not any(masked[0x104 + 0x40 * index : 0x140 + 0x40 * index])
