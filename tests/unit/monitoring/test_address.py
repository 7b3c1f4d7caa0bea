"""The address of --metrics."""

import pytest

from rdma_dp.errors import RdmaDpError
from rdma_dp.monitoring.address import Address
from tests.unit.cli.process import rdma_dp


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.7:8765", Address("192.0.2.7", 8765)),
        ("[2001:db8::7]:1", Address("2001:db8::7", 1)),
        ("0.0.0.0:65535", Address("0.0.0.0", 65535)),
    ],
)
def test_an_address_with_a_port(text: str, address: Address) -> None:
    assert Address.parse(text) == address
    assert str(address) == text


def test_an_ipv6_address_needs_no_brackets() -> None:
    """As status.hostIP gives it."""
    assert Address.parse("2001:db8::7:8765") == Address("2001:db8::7", 8765)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("192.0.2.7", "no port"),
        (":8765", "no IP address"),
        ("192.0.2.7:0", "no port"),
        ("192.0.2.7:65536", "no port"),
        ("192.0.2.7:-1", "no port"),
        ("192.0.2.7:٣", "no port"),
        ("2001:db8::7:8765:x", "no port"),
        ("2001:db8::7:8:7:6:5:4:3:2", "no IP address"),
        ("node-1:8765", "no IP address"),
        ("[192.0.2.7:8765", "no IP address"),
        ("", "no port"),
    ],
)
def test_anything_else_is_refused_with_an_example(text: str, problem: str) -> None:
    with pytest.raises(RdmaDpError, match=problem) as error:
        Address.parse(text)
    assert "192.0.2.7:8765" in str(error.value)


def test_the_command_line_refuses_it_in_one_line() -> None:
    ended = rdma_dp("run", "--metrics", "8765")
    assert ended.code == 2
    assert "is no IP address (use ADDRESS:PORT" in ended.err
    ended = rdma_dp("run", "--probe-socket", "probe.sock")
    assert ended.code == 2
    assert "is no absolute path" in ended.err
