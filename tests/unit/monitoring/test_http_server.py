"""Requests are parsed from any bytes, and a wrong one is no request."""

from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.monitoring.http_server import Request, parse

TOKENS = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12)
VALUES = st.text("abc123 ;=,/*", max_size=20).map(str.strip)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_request_or_none(head: bytes) -> None:
    request = parse(head.decode("latin-1"))
    assert request is None or request.path.startswith("/")


@given(TOKENS, st.dictionaries(TOKENS, VALUES, max_size=5), st.text("a=&1", max_size=9))
def test_a_request_keeps_its_path_and_headers(
    name: str, headers: dict[str, str], query: str
) -> None:
    lines = [f"GET /{name}?{query} HTTP/1.1", *(f"{k.title()}: {v}" for k, v in headers.items())]
    assert parse("\r\n".join([*lines, "", ""])) == Request("GET", f"/{name}", headers)
