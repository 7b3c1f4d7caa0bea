"""The programs of rdma-core and perftest, as a check that data moves."""

import subprocess
from ipaddress import ip_address
from pathlib import Path
from typing import Protocol

from tests.heavy.vm.inside.container import DEADLINE
from tests.heavy.vm.inside.fabric import SoftHca

# The server prints nothing when it listens.
TRY_UNTIL_CONNECTED = """
while :; do
    said=$("$@" 2>&1)
    code=$?
    case $said in *"Couldn't connect"*) ;; *) break ;; esac
done
echo "$said"
exit $code
"""


class Runner(Protocol):
    """The place in which programs run: a container, or a pod."""

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run to the end."""
        ...

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start, with the output in a pipe."""
        ...


class Here:
    """Runs programs on the node itself, outside of containers."""

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=2 * DEADLINE
        )

    def start(self, *command: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )


def ping_pong(server: Runner, client: Runner, hca: SoftHca) -> str:
    """Small verified messages between two containers over one HCA. Returns the client's output."""
    device = ("--ib-dev", hca.name, "--gid-idx", ipv4_gid_index(hca))
    much = ("--size", "256", "--iters", "20", "--chk")
    return _between(server, client, ("ibv_rc_pingpong", *device, *much))


def write_bandwidth(
    server: Runner, client: Runner, hca: SoftHca, *, address: str = "localhost"
) -> str:
    """A few RDMA writes into the server's memory. Returns the client's output.

    Both use the GID of the HCA's own address. `address` is the server's in the client's network:
    over TCP they exchange what an RDMA connection needs.
    """
    command = _write_command(hca, ipv4_gid_index(hca))
    return _between(server, client, command, address)


def write_speed(said: str) -> str:
    """The average in MB/s, from the output of `write_bandwidth`. All writes were completed."""
    rows = [line.split() for line in said.splitlines()]
    (row,) = (row for row in rows if row[:2] == ["4096", "100"])  # bytes, completed writes
    return row[3]


def write_attempt(
    ends: tuple[Runner, Runner], hca: SoftHca, gids: tuple[str, str], address: str
) -> subprocess.CompletedProcess[str]:
    """The same as `write_bandwidth`, with these GID indices of server and client. It may fail.

    Returns what the client did.
    """
    of_server, of_client = (_write_command(hca, gid) for gid in gids)
    server, client = ends
    with server.start(*of_server) as serving:
        try:
            return client.run("sh", "-c", TRY_UNTIL_CONNECTED, "sh", *of_client, address)
        finally:
            serving.kill()


def _write_command(hca: SoftHca, gid: str) -> tuple[str, ...]:
    device = ("--ib-dev", hca.name, "--gid-index", gid)
    much = ("--size", "4096", "--iters", "100", "--CPU-freq")
    patience = ("--qp-timeout", "20")  # 4.096 us * 2^20: a busy host halts the VM for seconds
    return ("ib_write_bw", *device, *much, *patience)


def _between(
    server: Runner, client: Runner, command: tuple[str, ...], address: str = "localhost"
) -> str:
    """Run the same program at both ends. Both must succeed. Returns the client's output."""
    with server.start(*command) as serving:
        try:
            done = client.run("sh", "-c", TRY_UNTIL_CONNECTED, "sh", *command, address)
            answer, _ = serving.communicate(timeout=DEADLINE)
        finally:
            serving.kill()
    complaint = f"client: {done.stdout}{done.stderr}\nserver: {answer}"
    assert (done.returncode, serving.returncode) == (0, 0), complaint
    return done.stdout


def ipv4_gid_index(hca: SoftHca) -> str:
    """The index of the GID of the netdev's IPv4 address: ::ffff:a.b.c.d."""
    wanted = ip_address(f"::ffff:{hca.address}")
    gids = Path("/sys/class/infiniband", hca.name, "ports/1/gids")
    [gid] = [gid for gid in gids.iterdir() if ip_address(gid.read_text().strip()) == wanted]
    return gid.name
