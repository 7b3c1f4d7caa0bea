"""Sockets in kubelet's directories: names that never collide, files that are never ours by
mistake."""

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.kubelet.sockets import (
    SocketError,
    SocketServer,
    identity,
    is_our_name,
    link_name,
    remove_stale,
    socket_name,
)

# What kubelet takes as a resource: a DNS name, a slash, at most 63 characters.
_LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
_PREFIXES = st.lists(_LABEL, min_size=1, max_size=6).map(".".join)
_NAMES = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?", fullmatch=True)
RESOURCES = st.builds("{}/{}".format, _PREFIXES, _NAMES)
INSTANCES = st.from_regex(r"[0-9a-f]{6}", fullmatch=True)


@given(RESOURCES, INSTANCES)
def test_a_socket_name_fits_behind_kubelets_usual_directories(resource: str, instance: str) -> None:
    for directory in ("/var/lib/kubelet/plugins_registry", "/var/snap/microk8s/common/var/lib"):
        assert len(os.fsencode(f"{directory}/.{socket_name(resource, instance)}")) <= 107


@given(RESOURCES, INSTANCES)
def test_a_socket_name_is_a_visible_file_name_of_our_making(resource: str, instance: str) -> None:
    name = socket_name(resource, instance)
    assert name.startswith("rdma-dp-")
    assert name.endswith(".sock")
    assert "/" not in name
    assert name != "kubelet.sock"


@given(st.sets(st.tuples(RESOURCES, INSTANCES), min_size=2, max_size=40))
def test_different_resources_or_processes_have_different_sockets(
    wanted: set[tuple[str, str]],
) -> None:
    assert len({socket_name(*each) for each in wanted}) == len(wanted)


@given(_NAMES, INSTANCES, _PREFIXES, _PREFIXES)
def test_a_name_under_two_prefixes_has_two_sockets(
    name: str, instance: str, one: str, other: str
) -> None:
    same = socket_name(f"{one}/{name}", instance) == socket_name(f"{other}/{name}", instance)
    assert same == (one == other)


@given(RESOURCES, INSTANCES)
def test_a_link_to_a_socket_has_a_hidden_name_of_our_making(resource: str, instance: str) -> None:
    socket = socket_name(resource, instance)
    names = {link_name(socket, turn) for turn in range(36)}
    assert len(names) == 36
    for name in names:
        assert name[0] == "."
        assert is_our_name(name[1:])
        assert len(name) <= len(f".{socket}")
    assert link_name(socket, 36) in names


def test_names_that_differ_only_at_their_end_have_different_sockets() -> None:
    long = "rdma/" + "x" * 60
    assert socket_name(long + "a", "abcdef") != socket_name(long + "b", "abcdef")


def test_the_identity_of_a_file_outlives_a_look_and_ends_with_it(directory: Path) -> None:
    path = directory / "file"
    assert identity(path) is None
    path.touch()
    first = identity(path)
    assert first is not None
    assert identity(path) == first
    path.unlink()
    assert identity(path) is None


def test_a_file_made_later_has_another_identity_even_with_the_same_inode(directory: Path) -> None:
    path = directory / "file"
    path.touch()
    first = identity(path)
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    assert identity(path) != first


def test_a_changed_mode_or_another_link_leaves_the_identity(directory: Path) -> None:
    path = directory / "file"
    path.touch()
    first = identity(path)
    path.chmod(0o600)
    (directory / "link").hardlink_to(path)
    path.rename(directory / "renamed")
    assert identity(directory / "renamed") == first


def test_the_identity_of_a_link_is_its_own(directory: Path) -> None:
    link = directory / "link"
    link.symlink_to(directory / "nowhere")
    assert identity(link) is not None


def test_stale_sockets_of_ours_are_removed_hidden_ones_too(directory: Path) -> None:
    for name in ("rdma-dp-a-123456-abcdef.sock", ".rdma-dp-a-123456-abcdef.sock"):
        _stale(directory / name)
    assert sorted(remove_stale(directory)) == [
        ".rdma-dp-a-123456-abcdef.sock",
        "rdma-dp-a-123456-abcdef.sock",
    ]
    assert _names(directory) == []


def test_nothing_but_our_own_stale_sockets_is_removed(directory: Path) -> None:
    _stale(directory / "kubelet.sock")
    _stale(directory / "other-plugin.sock")
    (directory / "rdma-dp-file.sock").write_text("a file")
    (directory / "rdma-dp-folder.sock").mkdir()
    (directory / "rdma-dp-link.sock").symlink_to("kubelet.sock")
    (directory / "kubelet_internal_checkpoint").write_text("{}")
    before = set(directory.iterdir())
    assert remove_stale(directory) == []
    assert set(directory.iterdir()) == before


def test_the_caller_can_give_its_sockets_other_names(directory: Path) -> None:
    for name in ("a.example-1-reg.sock", ".a.example-2-reg.sock", "rdma-dp-a-123456-abcdef.sock"):
        _stale(directory / name)
    removed = remove_stale(directory, lambda name: name.startswith("a.example-"))
    assert sorted(removed) == [".a.example-2-reg.sock", "a.example-1-reg.sock"]
    assert _names(directory) == ["rdma-dp-a-123456-abcdef.sock"]


def test_a_live_socket_of_another_rdma_dp_is_not_stale(directory: Path) -> None:
    path = directory / "rdma-dp-a-123456-abcdef.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(path))
        listener.listen()
        assert remove_stale(directory) == []
    assert remove_stale(directory) == [path.name]


def test_one_that_hangs_with_a_full_queue_is_alive_and_is_not_waited_for(directory: Path) -> None:
    path = directory / "rdma-dp-a-123456-abcdef.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(path))
        listener.listen(0)
        waiting = [_connect(path) for _ in range(3)]
        assert remove_stale(directory) == []
        for client in waiting:
            client.close()


def test_a_directory_that_is_not_there_has_nothing_stale(directory: Path) -> None:
    assert remove_stale(directory / "missing") == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
async def test_in_a_directory_of_somebody_elses_no_socket_can_be_made_and_none_is_missed(
    directory: Path,
) -> None:
    """As a pod whose securityContext names another user than root."""
    directory.chmod(0o755)
    kubelets = directory / "plugins_registry"
    kubelets.mkdir(0o700)
    server = SocketServer(kubelets / "a.sock", [])
    os.seteuid(65534)
    try:
        with pytest.raises(SocketError, match=r"is .* writable for this process"):
            await server.start()
        await server.stop()
        assert identity(kubelets / "a.sock") is None
    finally:
        os.seteuid(0)
    assert _names(kubelets) == []


async def test_a_server_appears_under_its_name_and_leaves_nothing(directory: Path) -> None:
    server = SocketServer(directory / "a.sock", [])
    await server.start()
    assert server.in_place
    assert _names(directory) == ["a.sock"]
    await server.stop()
    assert not server.in_place
    assert _names(directory) == []


async def test_a_withdrawn_socket_serves_the_connections_that_exist(directory: Path) -> None:
    async def answer(request: bytes, context: object) -> bytes:
        return request

    handler = grpc.method_handlers_generic_handler(
        "test.Echo", {"Call": grpc.unary_unary_rpc_method_handler(answer)}
    )
    server = SocketServer(
        directory / "a.sock", [lambda to: to.add_generic_rpc_handlers((handler,))]
    )
    await server.start()
    async with grpc.aio.insecure_channel(f"unix:{directory / 'a.sock'}") as channel:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
            "/test.Echo/Call"
        )
        assert await call(b"1") == b"1"
        server.withdraw()
        assert _names(directory) == []
        (directory / "a.sock").write_text("of a successor")
        assert await call(b"2") == b"2"
        await server.stop()
    assert (directory / "a.sock").read_text() == "of a successor"


async def test_a_server_starts_again_after_its_end(directory: Path) -> None:
    server = SocketServer(directory / "a.sock", [])
    for _ in range(3):
        await server.start()
        assert server.in_place
        await server.stop()
    assert _names(directory) == []


async def test_an_end_without_a_start_is_nothing(directory: Path) -> None:
    server = SocketServer(directory / "a.sock", [])
    (directory / "a.sock").write_text("foreign")
    await server.stop()
    await server.stop()
    assert (directory / "a.sock").read_text() == "foreign"


async def test_a_file_that_took_our_name_meanwhile_survives_our_end(directory: Path) -> None:
    path = directory / "a.sock"
    server = SocketServer(path, [])
    await server.start()
    path.unlink()
    path.write_text("foreign")
    assert not server.in_place
    await server.stop()
    assert path.read_text() == "foreign"


async def test_a_file_under_our_name_is_never_replaced(directory: Path) -> None:
    path = directory / "a.sock"
    path.write_text("foreign")
    server = SocketServer(path, [])
    with pytest.raises(SocketError, match="another file has that name; remove it"):
        await server.start()
    await server.stop()
    assert _names(directory) == ["a.sock"]
    assert path.read_text() == "foreign"


async def test_a_missing_directory_is_said(directory: Path) -> None:
    server = SocketServer(directory / "missing" / "a.sock", [])
    with pytest.raises(SocketError, match=r"the directory .*/missing is missing; mount it"):
        await server.start()
    await server.stop()


async def test_a_path_of_the_longest_possible_length_works(directory: Path) -> None:
    path = directory / ("x" * (106 - len(os.fsencode(directory)) - 1))
    server = SocketServer(path, [])
    await server.start()
    assert server.in_place
    await server.stop()


async def test_a_path_one_byte_longer_is_refused_with_the_limit(directory: Path) -> None:
    path = directory / ("x" * (107 - len(os.fsencode(directory)) - 1))
    server = SocketServer(path, [])
    with pytest.raises(SocketError, match=r"too long for a unix socket .*106 bytes"):
        await server.start()
    await server.stop()
    assert _names(directory) == []


async def test_a_socket_that_kubelet_sweeps_away_while_it_is_made_is_an_error_to_retry(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kubelet, when it starts, removes every socket in the directory, hidden ones too."""
    start = grpc.aio.Server.start

    async def start_and_sweep(server: grpc.aio.Server) -> None:
        await start(server)
        for name in _names(directory):
            (directory / name).unlink()

    server = SocketServer(directory / "a.sock", [])
    with monkeypatch.context() as patched:
        patched.setattr(type(grpc.aio.server()), "start", start_and_sweep)
        with pytest.raises(SocketError, match="kubelet removes every socket when it starts"):
            await server.start()
    await server.stop()
    await server.start()
    assert server.in_place
    await server.stop()


async def test_a_start_that_is_cancelled_leaves_nothing_after_the_end(directory: Path) -> None:
    server = SocketServer(directory / "a.sock", [])
    task = asyncio.create_task(server.start())
    await asyncio.sleep(0)  # to where it waits for the server
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await server.stop()
    assert _names(directory) == []


def test_what_a_killed_process_left_is_stale(directory: Path) -> None:
    path = directory / "rdma-dp-a-123456-abcdef.sock"
    code = (
        "import socket, sys, time\n"
        "s = socket.socket(socket.AF_UNIX)\ns.bind(sys.argv[1])\ns.listen()\n"
        "print('listening', flush=True)\ntime.sleep(300)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"listening\n"
        assert remove_stale(directory) == []
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert remove_stale(directory) == [path.name]


# --- A11 and A12 ----------------------------------------------------------------------------------


def test_a_socket_that_is_about_to_listen_is_not_stale(directory: Path) -> None:
    """A11: a peer has bound its hidden socket and does not listen yet."""
    path = directory / ".rdma-dp-a-123456-abcdef.sock"
    with socket.socket(socket.AF_UNIX) as making:
        making.bind(os.fspath(path))
        assert remove_stale(directory) == []
        assert _names(directory) == [path.name]
    assert remove_stale(directory) == [path.name]


async def test_servers_that_start_beside_others_that_tidy_up(directory: Path) -> None:
    """A11: 18 of 3,466 starts failed."""

    async def start(number: int) -> None:
        server = SocketServer(directory / socket_name(f"rdma/{number}", "abcdef"), [])
        await server.start()
        assert server.in_place
        await server.stop()

    def tidy_up() -> None:
        for _ in range(300):
            remove_stale(directory)

    tidying = asyncio.create_task(asyncio.to_thread(tidy_up))
    for number in range(50):
        await start(number)
    await tidying


@pytest.mark.parametrize("umask", [0, 0o022, 0o777])
async def test_the_mode_of_a_socket_is_set_and_not_inherited(directory: Path, umask: int) -> None:
    """A12: with umask 0, any user could connect."""
    server = SocketServer(directory / "a.sock", [])
    before = os.umask(umask)
    try:
        await server.start()
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert stat.S_IMODE((directory / "a.sock").stat().st_mode) == 0o600
    await server.stop()


def _names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def _stale(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(path))


def _connect(path: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.setblocking(False)
    client.connect_ex(os.fspath(path))
    return client
