"""Where the API server is, and who we are: what kubelet gives to a pod.

The token and the CA certificate are files that kubelet replaces: the token of a projected volume
after 80 % of its time, an hour by default. So both are read before each request that needs them.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from rdma_dp.api_server.api_errors import NoCredentialsError

# rest.InClusterConfig of client-go: the directory of a ServiceAccount, and the Service that the
# API server has in every cluster.
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_HOST = "KUBERNETES_SERVICE_HOST"
_PORT = "KUBERNETES_SERVICE_PORT"

# For tests, and for a process outside of a pod: another URL, and another directory.
SERVER_VARIABLE = "RDMA_DP_API_SERVER"
DIRECTORY_VARIABLE = "RDMA_DP_SERVICE_ACCOUNT"

_DEPLOY = "deploy/ has a component for DRA that mounts it"


@dataclass(frozen=True, slots=True)
class Credentials:
    """The URL of the API server without a slash at the end, and the files of the ServiceAccount."""

    url: str
    directory: Path = SERVICE_ACCOUNT

    @property
    def secure(self) -> bool:
        """Whether the connection is encrypted."""
        return self.url.startswith("https:")

    def token(self) -> str:
        """The token as it is now. Raises NoCredentialsError."""
        path = self.directory / "token"
        try:
            token = path.read_text("ascii").strip()
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from error
        if not token or not token.isprintable():
            raise NoCredentialsError(f"{path} has no token", _DEPLOY)
        return token

    def ca_version(self) -> tuple[int, int]:
        """A value that changes when the CA certificate is replaced. Raises NoCredentialsError."""
        path = self._ca
        try:
            status = path.stat()
        except OSError as error:
            raise _unreadable(path, error) from error
        return status.st_mtime_ns, status.st_ino

    def tls(self) -> ssl.SSLContext:
        """Trusts the CA certificate alone. Raises NoCredentialsError."""
        try:
            context = ssl.create_default_context(cafile=str(self._ca))
        except OSError as error:  # ssl.SSLError is one
            raise _unreadable(self._ca, error) from error
        # Python 3.13 sets it by default. Go's clients accept the certificates that it refuses:
        # those of clusters whose authority was made without key identifiers.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context

    @property
    def _ca(self) -> Path:
        return self.directory / "ca.crt"


def credentials_of(environment: Mapping[str, str]) -> Credentials:
    """The credentials of a process with this environment. Raises NoCredentialsError."""
    directory = Path(environment.get(DIRECTORY_VARIABLE) or SERVICE_ACCOUNT)
    if url := environment.get(SERVER_VARIABLE):
        return Credentials(_checked(url), directory)
    host, port = environment.get(_HOST), environment.get(_PORT)
    if not host or not port:
        raise NoCredentialsError(
            f"the environment has no {_HOST} and {_PORT}, so the API server's address is unknown",
            "kubelet sets them in every pod; run rdma-dp in a pod to use DRA",
        )
    return Credentials(f"https://{_in_brackets(host)}:{port}", directory)


def _in_brackets(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _checked(url: str) -> str:
    """A token is never sent in the clear over a network."""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise NoCredentialsError(f"{SERVER_VARIABLE}={url} is no URL such as https://10.96.0.1:443")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise NoCredentialsError(
            f"{SERVER_VARIABLE}={url} would send the token without encryption",
            "use https, or an address of the loopback interface",
        )
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _unreadable(path: Path, error: Exception) -> NoCredentialsError:
    reason = getattr(error, "strerror", None) or str(error)
    return NoCredentialsError(f"cannot read {path}: {reason}", _DEPLOY)
