"""How the daemon registers: with Register, by the plugin watcher, or with only one of the two."""

import asyncio
import signal

from simulator.kubelet import Faults, Refused, Registered, SimulatedKubelet, Way
from tests.integration.daemon.process import NAME, Node, appears, entry, healthy, process


def registrations(kubelet: SimulatedKubelet) -> list[Registered]:
    return [event for event in kubelet.events if isinstance(event, Registered)]


def ways(kubelet: SimulatedKubelet) -> set[Way]:
    return {registered.way for registered in registrations(kubelet)}


async def test_by_register(node: Node, kubelet: SimulatedKubelet) -> None:
    """Serve first, then register: the simulated kubelet would report any other order as a
    violation.
    """
    async with node.daemon("--registration", "device-plugins") as daemon:
        await kubelet.wait_for(NAME, healthy(4))
        await daemon.says(f"{NAME}: registered with kubelet")
        (registered,) = registrations(kubelet)
        assert registered.way is Way.REGISTER
        assert node.sockets() == [registered.socket]
        assert registered.socket.parent == node.device_plugins, "the endpoint is a bare file name"


async def test_by_being_found(node: Node, kubelet: SimulatedKubelet) -> None:
    async with node.daemon("--registration", "plugins-registry") as daemon:
        await kubelet.wait_for(NAME, healthy(4))
        await daemon.says(f"{NAME}: registered with kubelet's plugin watcher")
        (registered,) = registrations(kubelet)
        assert registered.way is Way.WATCHER
        assert node.sockets() == [registered.socket]
        assert registered.socket.parent == node.plugins_registry


async def test_auto_is_found_where_there_is_a_registry(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    async with node.daemon() as daemon:
        await kubelet.wait_for(NAME, healthy(4))
        assert ways(kubelet) == {Way.WATCHER}
        assert daemon.count("calling Register") == 0


async def test_auto_registers_where_there_is_no_registry(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    node.plugins_registry.rmdir()
    async with node.daemon():
        await kubelet.wait_for(NAME, healthy(4))
        assert ways(kubelet) == {Way.REGISTER}
    node.plugins_registry.mkdir()


async def test_auto_registers_where_kubelet_does_not_watch_the_registry(node: Node) -> None:
    async with SimulatedKubelet(node.kubelet_root, watcher=False) as kubelet:
        async with node.daemon() as daemon:
            line = await daemon.says("calling Register instead")
            assert f"kubelet did not look at {node.plugins_registry}" in line
            await kubelet.wait_for(NAME, healthy(4))
            assert ways(kubelet) == {Way.REGISTER}
            assert [path.parent for path in node.sockets()] == [node.device_plugins]
        assert kubelet.violations == []


async def test_the_device_plugins_directory_may_be_elsewhere(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    """Some distributions move this directory, and no other."""
    elsewhere = node.directory / "elsewhere"
    elsewhere.symlink_to(node.device_plugins)
    arguments = [*node.arguments, "--kubelet-root-dir", str(node.directory / "nowhere")]
    node.configure()
    async with process("run", *arguments, "--device-plugins-dir", str(elsewhere)) as daemon:
        await kubelet.wait_for(NAME, healthy(4))
        assert ways(kubelet) == {Way.REGISTER}
        await daemon.stop()


async def test_without_kubelet_it_waits_and_registers_when_kubelet_comes(
    node: Node, no_kubelet: SimulatedKubelet
) -> None:
    """Defect 8 of the Go plugin: exit 1."""
    node.device_plugins.mkdir(parents=True)
    async with node.daemon("--registration", "device-plugins") as daemon:
        line = await daemon.says("waiting for kubelet")
        assert f"there is no {node.device_plugins}/kubelet.sock" in line
        await no_kubelet.start()
        await no_kubelet.wait_for(NAME, healthy(4))
        assert daemon.count("waiting for kubelet") == 1


async def test_without_the_directories_it_waits_too(
    node: Node, no_kubelet: SimulatedKubelet
) -> None:
    """Defect 8 of the Go plugin: kubelet may make its directories later."""
    async with node.daemon() as daemon:
        await daemon.says("waiting for kubelet")
        await no_kubelet.start()
        await no_kubelet.wait_for(NAME, healthy(4))


async def test_with_the_registry_alone_it_waits_to_be_found(
    node: Node, no_kubelet: SimulatedKubelet
) -> None:
    """Defect 8 of the Go plugin."""
    node.plugins_registry.mkdir(parents=True)
    async with node.daemon("--registration", "plugins-registry"):
        await appears(node.plugins_registry, lambda: bool(node.sockets()))
        await no_kubelet.start()
        await no_kubelet.wait_for(NAME, healthy(4))


async def test_a_hung_kubelet_does_not_hold_up_the_end(node: Node) -> None:
    """Defect 7 of the Go plugin: Register has no deadline, and no clean exit during the call."""
    arrived = asyncio.Event()
    node.device_plugins.mkdir(parents=True)

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(24)  # the preface of HTTP/2: it calls now
        arrived.set()
        await reader.read(-1)
        writer.close()

    server = await asyncio.start_unix_server(hang, node.device_plugins / "kubelet.sock")
    async with server, node.daemon("--registration", "device-plugins") as daemon:
        async with asyncio.timeout(60):
            await arrived.wait()
        assert len(node.sockets()) == 1
        await daemon.stop()
        assert node.sockets() == []


async def test_a_kubelet_that_hangs_in_register_is_left_at_its_restart(node: Node) -> None:
    """Defect 7 of the Go plugin: it hangs for ever."""
    kubelet = SimulatedKubelet(node.kubelet_root)
    kubelet.faults = Faults(hang_register=True)
    await kubelet.start()
    async with node.daemon("--registration", "device-plugins"):
        await appears(node.device_plugins, lambda: bool(node.sockets()))
        kubelet.faults = Faults()
        await kubelet.kill()
        await kubelet.start()
        await kubelet.wait_for(NAME, healthy(4))
    await kubelet.stop()
    # The call that failed with the old kubelet is made again. It may reach the new one, which has
    # removed all sockets, before the daemon has made its socket again.
    assert all("registered before it served" in each for each in kubelet.violations)


async def test_a_refusal_is_told_once_and_tried_again(
    node: Node, no_kubelet: SimulatedKubelet
) -> None:
    no_kubelet.faults = Faults(refuse_register="the node is full of plugins")
    await no_kubelet.start()

    def refused(kubelet: SimulatedKubelet) -> int:
        return sum(isinstance(event, Refused) for event in kubelet.events)

    async with node.daemon("--registration", "device-plugins") as daemon:
        await no_kubelet.wait_until(lambda kubelet: refused(kubelet) >= 3)
        line = await daemon.says("kubelet refused the registration")
        assert "the node is full of plugins" in line
        no_kubelet.faults = Faults()
        await no_kubelet.stop()
        await no_kubelet.start()
        await no_kubelet.wait_for(NAME, healthy(4))
        assert daemon.count("kubelet refused the registration") == 1


async def test_a_resource_named_kubelet_is_refused_before_it_can_harm(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    """Defect 6 of the Go plugin: kubelet.sock is removed."""
    node.configure(entry("kubelet"))
    before = kubelet.socket.stat()
    async with process("run", *node.arguments) as daemon:
        assert await daemon.ended() == 1
        await daemon.says("resourceName", "kubelet")
    assert kubelet.socket.stat() == before


async def test_a_socket_path_that_is_too_long_is_said(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    long = node.directory / ("x" * 90)
    long.symlink_to(node.device_plugins)
    arguments = ["--registration", "device-plugins", "--device-plugins-dir", str(long)]
    async with node.daemon(*arguments) as daemon:
        line = await daemon.says("too long for a unix socket")
        assert str(long) in line
        assert "use a shorter directory" in line


async def test_many_resources_at_once(node: Node, kubelet: SimulatedKubelet) -> None:
    names = [f"r{number}" for number in range(30)]
    node.configure(*(entry(name, 2 + number) for number, name in enumerate(names)))
    for way in ("device-plugins", "plugins-registry"):
        async with node.daemon("--registration", way):
            for number, name in enumerate(names):
                await kubelet.wait_for(f"rdma/{name}", healthy(2 + number))
            assert len(node.sockets()) == 30
        assert node.sockets() == []


async def test_a_name_under_two_prefixes_is_two_resources(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    node.configure(entry("a", 3), entry("a", 5, resourcePrefix="example.com"))
    async with node.daemon():
        await kubelet.wait_for("rdma/a", healthy(3))
        await kubelet.wait_for("example.com/a", healthy(5))
        assert len(node.sockets()) == 2


async def test_the_longest_name_that_kubelet_takes(node: Node, kubelet: SimulatedKubelet) -> None:
    """Defect 13 of the Go plugin: long names fail at bind."""
    name = "x" * 63
    node.configure(entry(name, resourcePrefix="some.long.domain.example.com"))
    async with node.daemon("--registration", "device-plugins"):
        await kubelet.wait_for(f"some.long.domain.example.com/{name}", healthy(4))


async def test_sigterm_while_it_waits_for_kubelet(node: Node) -> None:
    async with node.daemon() as daemon:
        await daemon.says("waiting for kubelet")
        await daemon.stop(signal.SIGTERM)
    assert node.sockets() == []
