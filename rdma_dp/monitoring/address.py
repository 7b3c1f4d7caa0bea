"""The address of --metrics: HOST:PORT."""

import ipaddress
from dataclasses import dataclass
from typing import Self

from rdma_dp.errors import RdmaDpError

_HINT = "use ADDRESS:PORT, such as 192.0.2.7:8765, [2001:db8::7]:8765 or 127.0.0.1:8765"


@dataclass(frozen=True, slots=True)
class Address:
    """An IP address and a TCP port to listen on."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises RdmaDpError if the text is no address with a port."""
        host, _, port = text.rpartition(":")
        if not (port.isascii() and port.isdigit() and 0 < int(port) <= 65535):
            raise RdmaDpError(f"{text!r} has no port from 1 to 65535", _HINT)
        # Brackets of IPv6 may be left out: a manifest has $(HOST_IP):PORT for every cluster.
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        try:
            ipaddress.ip_address(host)
        except ValueError:
            raise RdmaDpError(f"{host!r} of {text!r} is no IP address", _HINT) from None
        return cls(host, int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
