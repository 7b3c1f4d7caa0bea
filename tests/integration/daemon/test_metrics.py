"""`--metrics`: what a scrape shows of a daemon, and that a scrape disturbs nothing."""

import asyncio
import signal

import pytest

from rdma_dp import __version__
from simulator.kubelet import SimulatedKubelet
from tests.integration.daemon.process import DEADLINE, NAME, WAYS, Node, entry, healthy
from tests.integration.daemon.scraping import (
    LOOPBACK,
    OPENMETRICS,
    Samples,
    free_port,
    get,
    raw,
    scrape,
    shows,
)


@pytest.fixture
def port() -> int:
    return free_port()


def metrics(port: int) -> tuple[str, str]:
    return "--metrics", f"{LOOPBACK}:{port}"


@pytest.mark.parametrize("mode", WAYS)
async def test_a_scrape_shows_what_kubelet_has(
    node: Node, kubelet: SimulatedKubelet, mode: str, port: int
) -> None:
    async with node.daemon("--registration", mode, *metrics(port)):
        await kubelet.wait_for(NAME, healthy(4))
        samples = await shows(port, "kubelet_registered", 1, resource=NAME)
        assert samples.get("kubelet_stream_open", resource=NAME) == 1
        assert samples.get("kubelet_registrations_total", resource=NAME) == 1
        assert samples.get("slots", resource=NAME, health="healthy") == 4
        assert samples.get("slots", resource=NAME, health="unhealthy") == 0
        assert samples.get("resource_hcas", resource=NAME) == 2
        assert samples.get("build_info", version=__version__) == 1
        assert samples.get("config_valid") == 1
        assert samples.get("allocate_requests_total", resource=NAME, result="ok") == 0
        assert {each["device"] for each in samples.labels("hca_info")} == set(node.hcas)
        assert samples.get("hca_resource", device="mlx5_0", resource=NAME) == 1
        assert samples.get("port_active", device="mlx5_0", port="1") == 1
        assert samples.get("port_state_id", device="mlx5_0", port="1") == 4


async def test_allocations_are_counted(node: Node, kubelet: SimulatedKubelet, port: int) -> None:
    async with node.daemon(*metrics(port)):
        await kubelet.wait_for(NAME, healthy(4))
        for slots in (1, 2):
            await kubelet.allocate(NAME, slots)
        samples = await scrape(port)
        assert samples.get("allocate_requests_total", resource=NAME, result="ok") == 2
        assert samples.get("allocate_slots_total", resource=NAME) == 3
        assert samples.get("allocate_duration_seconds_count", resource=NAME) == 2
        assert samples.get("allocate_duration_seconds_bucket", resource=NAME, le="+Inf") == 2


async def test_a_port_that_goes_down_is_seen(
    node: Node, kubelet: SimulatedKubelet, port: int
) -> None:
    async with node.daemon(*metrics(port)):
        await kubelet.wait_for(NAME, healthy(4))
        for hca in node.hcas:
            node.host.set_port(hca, 1, state="DOWN", phys_state="Disabled")
        await kubelet.wait_for(NAME, healthy(0, of=4))
        samples = await scrape(port)
        assert samples.get("port_active", device="mlx5_0", port="1") == 0
        assert samples.get("port_state_changes_total", device="mlx5_0", port="1") == 1
        assert samples.get("slots", resource=NAME, health="unhealthy") == 4
        assert samples.get("slots_unhealthy_reason", resource=NAME, reason="no-active-port") == 1


async def test_hcas_that_come_and_go_are_counted_and_leave_no_series(
    node: Node, kubelet: SimulatedKubelet, port: int
) -> None:
    async with node.daemon(*metrics(port)):
        await kubelet.wait_for(NAME, healthy(4))
        node.unplug_all()
        await shows(port, "hca_changes_total", 2, change="removed")
        samples = await shows(port, "resource_hcas", 0, resource=NAME)
        for name in ("hca_info", "port_active", "port_state_changes_total"):
            assert samples.labels(name) == []
        node.plug_all()
        await shows(port, "hca_changes_total", 2, change="added")


async def test_a_wrong_config_is_seen_and_the_last_good_one_stays(
    node: Node, kubelet: SimulatedKubelet, port: int
) -> None:
    async with node.daemon(*metrics(port)):
        await kubelet.wait_for(NAME, healthy(4))
        node.configure(entry(slots=-1))
        samples = await shows(port, "config_valid", 0)
        assert samples.get("slots", resource=NAME, health="healthy") == 4
        node.configure(entry(slots=3))
        await shows(port, "config_valid", 1)


async def test_a_kubelet_that_ends_is_seen(
    node: Node, kubelet: SimulatedKubelet, port: int
) -> None:
    async with node.daemon(*metrics(port)):
        await kubelet.wait_for(NAME, healthy(4))
        await kubelet.kill()
        await shows(port, "kubelet_stream_open", 0, resource=NAME)
        await kubelet.start()
        await shows(port, "kubelet_stream_open", 1, resource=NAME)


async def test_both_formats_and_compression(
    node: Node, kubelet: SimulatedKubelet, port: int
) -> None:
    async with node.daemon(*metrics(port)):
        await kubelet.wait_for(NAME, healthy(4))
        plain = await get(port)
        assert plain.headers["content-type"].startswith("text/plain; version=")
        zipped = await get(port, **{"Accept-Encoding": "gzip"})
        assert zipped.headers["content-encoding"] == "gzip"
        assert len(zipped.body) < len(plain.body)
        opened = await get(port, Accept=OPENMETRICS)
        assert opened.text.endswith("# EOF\n")
        names = {family.name for family in Samples(opened.text, OPENMETRICS).families}
        assert "rdma_dp_allocate_requests" in names
        assert names >= {family.name for family in Samples(zipped.text).families}


async def test_before_the_first_config_a_scrape_shows_the_daemon(node: Node, port: int) -> None:
    async with node.daemon_without_config(*metrics(port)):
        samples = await scrape(port)
        assert samples.get("build_info", version=__version__) == 1
        samples = await shows(port, "config_valid", 0)
        assert samples.labels("slots") == []


async def test_a_port_that_is_taken_is_tried_again_and_delays_nothing(
    node: Node, kubelet: SimulatedKubelet, port: int
) -> None:
    taken = await asyncio.start_server(lambda _, writer: writer.close(), LOOPBACK, port)
    async with node.daemon(*metrics(port)) as daemon:
        await daemon.says(f"no metrics on {LOOPBACK}:{port}", "in use", "trying again")
        await kubelet.wait_for(NAME, healthy(4))
        taken.close()
        await daemon.says(f"serving metrics on {LOOPBACK}:{port}")
        await shows(port, "kubelet_registered", 1, resource=NAME)
        assert daemon.count("no metrics on") == 1


async def test_the_next_process_answers_only_once_the_last_one_has_ended(
    node: Node, kubelet: SimulatedKubelet, port: int
) -> None:
    async with node.daemon(*metrics(port)) as old:
        await kubelet.wait_for(NAME, healthy(4))
        await kubelet.allocate(NAME)
        async with node.daemon(*metrics(port)) as new:
            await new.says("no metrics on")
            for _ in range(20):  # the old one alone answers, never the two by turns
                samples = await scrape(port)
                assert samples.get("allocate_slots_total", resource=NAME) == 1
            await old.stop(signal.SIGTERM)
            await shows(port, "allocate_slots_total", 0, resource=NAME)


async def test_wrong_requests_get_a_status_and_change_nothing(
    node: Node, kubelet: SimulatedKubelet, port: int
) -> None:
    async with node.daemon(*metrics(port)) as daemon:
        await kubelet.wait_for(NAME, healthy(4))
        assert (await get(port, "/")).status == 404
        assert (await get(port, "/metrics?name=x")).status == 200
        post = await get(port, method="POST")
        assert (post.status, post.headers["allow"]) == (405, "GET, HEAD")
        head = await get(port, method="HEAD")
        assert (head.status, head.body) == (200, b"")
        assert int(head.headers["content-length"]) > 1000
        for odd in (
            b"\r\n\r\n",
            b"GET\r\n\r\n",
            b"\x16\x03\x01\x00\r\n\r\n",
            b"GET * HTTP/1.1\r\n\r\n",
        ):
            assert (await raw(port, odd)).startswith(b"HTTP/1.1 400 ")
        assert (await raw(port, b"GET /" + b"x" * 10_000)).startswith(b"HTTP/1.1 431 ")
        for accept in ("text/plain;version=x", "application/openmetrics-text;version=", ";;q="):
            assert (await get(port, Accept=accept)).status == 200
        assert daemon.count("ERROR") == daemon.count("Traceback") == 0


async def test_silent_connections_do_not_use_up_the_daemon(
    node: Node, kubelet: SimulatedKubelet, port: int
) -> None:
    async with node.daemon(*metrics(port)):
        await kubelet.wait_for(NAME, healthy(4))
        silent = [await asyncio.open_connection(LOOPBACK, port) for _ in range(200)]
        await kubelet.allocate(NAME)
        async with asyncio.timeout(DEADLINE):  # they are closed, and a scrape works again
            await asyncio.gather(*(reader.read() for reader, _ in silent))
        assert (await scrape(port)).get("allocate_slots_total", resource=NAME) == 1
        for _, writer in silent:
            writer.close()
