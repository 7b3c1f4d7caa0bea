"""One function per parser. Every exception except an RdmaDpError is a fault."""

import gzip
import tempfile
from collections.abc import Callable
from pathlib import Path

from rdma_dp import config
from rdma_dp.discovery.vpd import is_switch_management
from rdma_dp.errors import RdmaDpError
from rdma_dp.host.netlink.exchange import messages
from rdma_dp.host.netlink.links import altnames
from rdma_dp.host.netlink.nldev import counters_in
from rdma_dp.inventory.port_counters import RawCounters, interpreted, parsed
from rdma_dp.node.snapshot import document
from rdma_dp.node.snapshot.pci_serials import without_serials
from rdma_dp.node.snapshot.pseudonyms import Pseudonyms
from rdma_dp.node.source import open_source

_FILE = Path(tempfile.mkdtemp(prefix="rdma-dp-fuzz-"), "node.tar.gz")


def archive(data: bytes) -> None:
    """A tar inside a valid gzip. The checksum of gzip would keep all other inputs out."""
    _FILE.write_bytes(gzip.compress(data, 1))
    open_source(_FILE).scan()


def snapshot_document(data: bytes) -> None:
    """snapshot.json."""
    document.restored(document.read(data), {}, None)


def pseudonyms(data: bytes) -> None:
    """Texts with addresses. The first line is the name of a host."""
    text = data.decode("utf-8", "surrogateescape")
    made = Pseudonyms([text], [text.partition("\n")[0]])
    made.text(text)
    made.switch_id(text)


def vital_product_data(data: bytes) -> None:
    """A card's VPD. Without its serial numbers it is still a VPD."""
    masked = without_serials(data)
    assert len(masked) == len(data)
    assert is_switch_management(masked) == is_switch_management(data)


def config_file(data: bytes) -> None:
    """A config."""
    config.parse_bytes(data)


def netlink_answer(data: bytes) -> None:
    """The kernel's answer about a netdev."""
    list(altnames(data))


def netlink_counters(data: bytes) -> None:
    """The kernel's answer about the counters of a port: messages of any attributes."""
    answers = [body for _, _, body in messages(data)]
    for value in counters_in([data, *answers]).values():
        assert value is None or 0 <= value < 2**64


def counter_file(data: bytes) -> None:
    """The content of a counter's file, and a reading with it."""
    value = parsed(data.decode("utf-8", "replace").strip("\0 \t\r\n"))
    assert value is None or 0 <= value < 2**64
    interpreted(RawCounters({"port_xmit_data": value}, {"tx_bytes": value}))


def tried(target: Callable[[bytes], None], data: bytes) -> None:
    """One input. An error of one sentence is a correct result."""
    try:
        target(data)
    except RdmaDpError as error:
        assert "\n" not in error.message
