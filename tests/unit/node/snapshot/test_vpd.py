from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.discovery.vpd import MANAGEMENT_MARK, is_switch_management
from rdma_dp.node.snapshot.pci_serials import without_serials
from simulator.host.vpd import encode

CARD = {
    "name": "Nvidia ConnectX-7 HHHL Adapter card",
    "PN": "MCX75310AAS-NEAT",
    "EC": "A7",
    "SN": "MT2301X12345",
    "V2": "MCX75310AAS-NEAT",
    "V3": "d7d58e8a2e9bed118000a088c2abcdef",
    "VA": "MLX:MN=MLNX:CSKU=V2:UUID=V3:PCI=V0:MODL=CX75310A:SMDL=SW_MNG",
    "V0": "PCIeGen5 x16",
}
PIECES = st.one_of(
    st.binary(max_size=12),
    st.sampled_from(
        [MANAGEMENT_MARK, b"SMDL=", b"MLX:", b"\x90\x20\x00", b"\x82\x04\x00", b"VA\x0b"]
    ),
)


def test_what_differs_between_cards_is_blank() -> None:
    masked = without_serials(encode(CARD))
    assert b"Nvidia ConnectX-7 HHHL Adapter card" in masked
    assert b"PN\x10MCX75310AAS-NEAT" in masked
    assert b"MLX:MN=MLNX:CSKU=V2:UUID=V3:PCI=V0:MODL=CX75310A:SMDL=SW_MNG" in masked
    assert b"SN\x0cXXXXXXXXXXXX" in masked
    assert CARD["V3"].encode() not in masked


def test_the_checksum_is_correct() -> None:
    masked = without_serials(encode(CARD))
    assert sum(masked[: masked.index(b"RV\x01") + 4]) % 256 == 0
    assert len(masked) == len(encode(CARD))


@given(st.lists(PIECES).map(b"".join))
def test_any_bytes_keep_their_length_and_their_verdict(vpd: bytes) -> None:
    masked = without_serials(vpd)
    assert len(masked) == len(vpd)
    assert is_switch_management(masked) == is_switch_management(vpd)


@given(st.text(alphabet="ABCDEFGHJKMNPRSTUVWYZ0123456789", min_size=10, max_size=20))
def test_no_serial_number_is_left_in_a_truncated_file(serial: str) -> None:
    vpd = encode({"name": "card", "VB": f"MLX:SN={serial}", "SN": serial})
    for end in range(len(vpd)):
        assert serial.encode() not in without_serials(vpd[:end])
