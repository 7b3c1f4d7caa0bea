"""`rdma-dp-probe live|ready`: kubelet's exec probe.

kubelet starts it every few seconds, so it imports nothing of the project and little of Python.
An HTTP probe is no choice: with the node's network, the port may belong to the other rdma-dp of a
rolling update, which would answer for this one.
"""

import socket
import sys

SOCKET = "/run/rdma-dp/probe.sock"
DEADLINE = 4.0  # seconds; the probes in deploy/ end after 5
_LONGEST = 65536  # bytes of an answer
_USAGE = f"usage: rdma-dp-probe live|ready [SOCKET]  (default socket: {SOCKET})"


def main() -> int:
    """0 if the daemon is alive or ready, 1 with the reason if not, 2 for a wrong command line."""
    words = sys.argv[1:]
    if not 1 <= len(words) <= 2 or words[0] not in ("live", "ready"):
        print(_USAGE, file=sys.stderr)  # noqa: T201
        return 2
    page, path = words[0], words[1] if len(words) > 1 else SOCKET
    try:
        status, reasons = ask(path, page)
    except (OSError, ValueError) as error:
        print(f"rdma-dp does not answer on {path}: {error}")  # noqa: T201 - kubelet's event shows it
        return 1
    if status == "200":
        return 0
    print(reasons.strip())  # noqa: T201
    return 1


def ask(path: str, page: str) -> tuple[str, str]:
    """The status and the body of a page. Raises OSError or ValueError without an answer."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(DEADLINE)
        connection.connect(path)
        connection.sendall(f"GET /{page} HTTP/1.1\r\nHost: rdma-dp\r\n\r\n".encode())
        answer = b""
        while len(answer) < _LONGEST and (more := connection.recv(4096)):
            answer += more
    head, _, body = answer.decode(errors="replace").partition("\r\n\r\n")
    words = head.split(" ", 2)
    if len(words) < 3 or not words[0].startswith("HTTP/"):
        raise ValueError("the answer is not HTTP")
    return words[1], body


if __name__ == "__main__":
    sys.exit(main())
