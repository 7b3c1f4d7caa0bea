"""rdma-core's own programs as witnesses."""

from ipaddress import ip_address
from pathlib import Path

from tests.vm.inside.container import DEADLINE, Container
from tests.vm.inside.fabric import SoftHca

# The server does not tell when it listens.
TRY_UNTIL_CONNECTED = """
while :; do
    said=$("$@" 2>&1)
    code=$?
    case $said in *"Couldn't connect"*) ;; *) break ;; esac
done
echo "$said"
exit $code
"""


def ping_pong(server: Container, client: Container, hca: SoftHca) -> str:
    """Small checked messages between two containers over one HCA; what the client printed."""
    command = (
        *("ibv_rc_pingpong", "--ib-dev", hca.name, "--gid-idx", ipv4_gid_index(hca)),
        *("--size", "256", "--iters", "20", "--chk"),
    )
    with server.start(*command) as serving:
        try:
            done = client.run("sh", "-c", TRY_UNTIL_CONNECTED, "sh", *command, "localhost")
            answer, _ = serving.communicate(timeout=DEADLINE)
        finally:
            serving.kill()
    complaint = f"client: {done.stdout}{done.stderr}\nserver: {answer}"
    assert (done.returncode, serving.returncode) == (0, 0), complaint
    return done.stdout


def ipv4_gid_index(hca: SoftHca) -> str:
    """The index of the GID that stands for the netdev's IPv4 address: ::ffff:a.b.c.d."""
    wanted = ip_address(f"::ffff:{hca.address}")
    gids = Path("/sys/class/infiniband", hca.name, "ports/1/gids")
    [gid] = [gid for gid in gids.iterdir() if ip_address(gid.read_text().strip()) == wanted]
    return gid.name
