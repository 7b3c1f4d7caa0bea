"""Where the API server is, and the files of the ServiceAccount."""

from pathlib import Path

import pytest

from rdma_dp.api_server.api_errors import NoCredentialsError
from rdma_dp.api_server.credentials import (
    DIRECTORY_VARIABLE,
    SERVER_VARIABLE,
    SERVICE_ACCOUNT,
    Credentials,
    credentials_of,
)


def in_a_pod(host: str) -> dict[str, str]:
    return {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": "443"}


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("10.96.0.1", "https://10.96.0.1:443"),
        ("fd00::1", "https://[fd00::1]:443"),
        ("[fd00::1]", "https://[fd00::1]:443"),
        ("kubernetes.default.svc", "https://kubernetes.default.svc:443"),
    ],
)
def test_the_address_is_that_of_the_service(host: str, url: str) -> None:
    assert credentials_of(in_a_pod(host)) == Credentials(url, SERVICE_ACCOUNT)


@pytest.mark.parametrize("missing", ["KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"])
@pytest.mark.parametrize("value", [None, ""])
def test_without_an_address_the_error_names_the_variables(missing: str, value: str | None) -> None:
    environment = in_a_pod("10.96.0.1")
    del environment[missing]
    if value is not None:
        environment[missing] = value
    with pytest.raises(NoCredentialsError, match="KUBERNETES_SERVICE_HOST"):
        credentials_of(environment)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8001", "http://[::1]:8001", "http://localhost:1", "https://10.0.0.1"]
)
def test_another_server_can_be_named(url: str) -> None:
    environment = {SERVER_VARIABLE: f"{url}/", DIRECTORY_VARIABLE: "/d"}
    assert credentials_of(environment) == Credentials(url, Path("/d"))


@pytest.mark.parametrize(
    "url",
    ["http://10.0.0.1:80", "http://example.com", "ftp://127.0.0.1", "127.0.0.1:80", "http://[::1"],
)
def test_a_token_is_not_sent_in_the_clear(url: str) -> None:
    with pytest.raises(NoCredentialsError, match=SERVER_VARIABLE):
        credentials_of({SERVER_VARIABLE: url})


def test_the_token_is_read_each_time(tmp_path: Path) -> None:
    found = Credentials("https://10.0.0.1", tmp_path)
    for token in ("one", "two"):
        (tmp_path / "token").write_text(f"{token}\n")
        assert found.token() == token


@pytest.mark.parametrize("content", [b"", b"\n", b"a\nb", b"\xff\xfe"])
def test_a_file_that_is_no_token_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(NoCredentialsError, match=str(tmp_path / "token")):
        Credentials("https://10.0.0.1", tmp_path).token()


def test_missing_files_are_named(tmp_path: Path) -> None:
    found = Credentials("https://10.0.0.1", tmp_path)
    with pytest.raises(NoCredentialsError, match="token"):
        found.token()
    with pytest.raises(NoCredentialsError, match=r"ca\.crt"):
        found.ca_version()
    (tmp_path / "ca.crt").write_text("no certificate")
    with pytest.raises(NoCredentialsError, match=r"ca\.crt"):
        found.tls()


def test_a_replaced_certificate_is_noticed(tmp_path: Path) -> None:
    found = Credentials("https://10.0.0.1", tmp_path)
    (tmp_path / "ca.crt").write_text("1")
    before = found.ca_version()
    (tmp_path / "new").write_text("2")
    (tmp_path / "new").rename(tmp_path / "ca.crt")  # as kubelet does, by a link
    assert found.ca_version() != before
