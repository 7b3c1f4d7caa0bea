import asyncio
import errno
import socket
import struct
from collections.abc import Callable

import pytest

from rdma_dp.aio.latest import Latest
from rdma_dp.cli import main as cli
from rdma_dp.config import Config, Defaults, parse
from rdma_dp.daemon import run as daemon_main
from rdma_dp.daemon.links_up import LinkKeeper, follow
from rdma_dp.daemon.settings import Settings
from rdma_dp.discovery import scan
from rdma_dp.errors import RdmaDpError
from rdma_dp.host.files import ExhaustedError, Host
from rdma_dp.host.netlink.links import LinkError, set_up
from rdma_dp.inventory.hardware import Hca, Inventory, NetDevice
from rdma_dp.sharing.pool import make_pool
from rdma_dp.sharing.state import NodeState
from simulator.kubelet import SimulatedKubelet
from tests.conftest import Sample
from tests.integration.daemon.process import NAME, Node, entry, healthy
from tests.logs import Log
from tests.makers import SYSTEM, hca, resource, selection
from tests.netlink import Kernel, errors


def with_links(number: int = 0, **links: bool | None) -> Hca:
    """An HCA with these netdevs, and whether each is administratively up."""
    return hca(
        number, netdevs=tuple(NetDevice(name, "ether", None, up) for name, up in links.items())
    )


class Links:
    """A LinkKeeper with simulated netdevs, and what it did to them."""

    def __init__(self, refusal: RdmaDpError | None = None) -> None:
        self.set_up: list[str] = []
        self.indexes: dict[str, int | None] = {}
        self.refusal = refusal
        self.keeper = LinkKeeper(self._set_up, self._index_of)

    def _index_of(self, netdev: str) -> int | None:
        return self.indexes.setdefault(netdev, 100 + len(self.indexes))

    def look(self, *hcas: Hca) -> bool:
        return self.keeper.set_new_links_up(hcas)

    def _set_up(self, netdev: str) -> None:
        self.set_up.append(netdev)
        if self.refusal:
            raise self.refusal


def test_a_down_link_is_set_up_with_one_line_in_the_log(lines: Log) -> None:
    links = Links()
    assert links.look(with_links(eth0=False))
    assert links.set_up == ["eth0"]
    assert lines.all == ["set eth0 of mlx5_0 up: it was administratively down"]


def test_what_is_up_or_says_nothing_is_left_alone() -> None:
    links = Links()
    assert not links.look(with_links(eth0=True, eth1=None))
    assert links.set_up == []


def test_a_link_that_is_taken_down_later_stays_down() -> None:
    links = Links()
    links.look(with_links(eth0=True))
    links.look(with_links(eth0=False))
    links.look(with_links(eth0=False))
    assert links.set_up == []


def test_each_link_is_set_up_once_though_it_does_not_come_up() -> None:
    links = Links()
    assert [links.look(with_links(eth0=False)) for _ in range(3)] == [True, False, False]
    assert links.set_up == ["eth0"]


def test_a_link_that_went_and_came_back_has_appeared_again() -> None:
    links = Links()
    links.look(with_links(eth0=False))
    links.indexes["eth0"] = 200
    links.look(with_links(eth0=False))
    assert links.set_up == ["eth0", "eth0"]


def test_a_link_whose_hca_left_the_resource_for_a_while_is_not_new() -> None:
    links = Links()
    links.look(with_links(eth0=True))
    links.look()
    links.look(with_links(eth0=False))
    assert links.set_up == []


def test_a_link_that_is_gone_meanwhile_is_left_alone() -> None:
    links = Links()
    links.indexes["eth0"] = None
    assert not links.look(with_links(eth0=False))
    assert links.set_up == []


def test_a_link_of_two_hcas_is_set_up_once() -> None:
    links = Links()
    links.look(with_links(0, bond0=False), with_links(1, bond0=False))
    assert links.set_up == ["bond0"]


def test_a_new_name_is_no_new_link() -> None:
    """udev renames links while they are down. Then one that is down was taken down on purpose."""
    links = Links()
    links.indexes = {"eth0": 7, "ens1": 7}
    links.look(with_links(eth0=True))
    links.look(with_links(ens1=False))
    assert links.set_up == []


def test_a_refusal_is_one_warning_and_nothing_has_changed(lines: Log) -> None:
    links = Links(LinkError("not permitted", "type something"))
    assert [links.look(with_links(eth0=False)) for _ in range(3)] == [False, False, False]
    assert lines.all == ["cannot set eth0 of mlx5_0 up: not permitted (type something)"]


def test_without_descriptors_one_warning_and_the_next_scan_tries_again(lines: Log) -> None:
    links = Links(ExhaustedError("cannot set eth0 up: Too many open files"))
    assert not links.look(with_links(eth0=False))
    assert lines.all == ["not all netdevs were checked: cannot set eth0 up: Too many open files"]
    links.refusal = None
    assert links.look(with_links(eth0=False))


def test_without_net_admin_the_error_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel(monkeypatch, errors(errno.EPERM))
    monkeypatch.setattr(socket, "if_nametoindex", lambda _: 7)
    with pytest.raises(LinkError, match=r"`ip link set eth0 up`.*NET_ADMIN"):
        set_up("eth0")
    (sent,) = kernel.sent
    # RTM_NEWLINK with NLM_F_REQUEST and NLM_F_ACK; index 7, IFF_UP as the flags and as the mask.
    assert sent == struct.pack("=IHHIIBxHiII", 32, 16, 0x5, 1, 0, 0, 0, 7, 1, 1)


def test_a_link_that_has_just_gone_is_an_error_of_ours() -> None:
    with pytest.raises(LinkError, match="no interface with this name"):
        set_up("no-such-link-0")


@pytest.mark.parametrize("name", ["switchdev", "bluefield-arm"])
def test_no_hca_has_a_representor_for_a_netdev(name: str, sample: Sample) -> None:
    """Setting it up would open a port of the embedded switch."""
    host = Host(sample(name))
    ports = {
        net: host.read(f"sys/class/net/{net}/phys_port_name") or ""
        for net in host.entries("sys/class/net")
    }
    representors = {net for net, port in ports.items() if "vf" in port or "sf" in port}
    assert representors
    assert not {netdev.name for hca in scan(host).hcas for netdev in hca.netdevs} & representors


# --- who decides --------------------------------------------------------------------------------


def started(main: Callable[[list[str]], int], arguments: list[str]) -> Settings:
    """The settings with which a command line starts the daemon."""
    found: list[Settings] = []

    async def run(settings: Settings) -> None:
        found.append(settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(daemon_main, "run", run)
        assert main(arguments) == 0
    return found[0]


@pytest.mark.parametrize(
    ("main", "arguments", "expected"),
    [
        (cli.main, ["run"], False),
        (cli.main, ["run", "--set-links-up"], True),
        (cli.main, ["run", "--set-links-up=false"], False),
        (cli.compat_main, [], True),
        (cli.compat_main, ["-set-links-up=false"], False),
        (cli.compat_main, ["--set-links-up=true"], True),
    ],
)
def test_links_are_set_up_by_default_only_in_the_place_of_the_go_plugin(
    main: Callable[[list[str]], int], arguments: list[str], expected: bool
) -> None:
    """Defect 16 of the Go plugin: every matching NIC is forced up."""
    assert started(main, arguments).defaults.set_links_up is expected


@pytest.mark.parametrize("in_config", [None, True, False])
@pytest.mark.parametrize("on_command_line", [True, False])
async def test_the_config_wins_over_the_command_line(
    in_config: bool | None, on_command_line: bool
) -> None:
    entry = '{"resourceName": "a", "rdmaHcaMax": 1, "selectors": {"vendors": ["15b3"]}}'
    said = {None: "", True: '"setLinksUp": true,', False: '"setLinksUp": false,'}[in_config]
    text = f'{{{said} "configList": [{entry}]}}'
    wanted = on_command_line if in_config is None else in_config
    assert parse(text, Defaults(set_links_up=on_command_line)).config.set_links_up is wanted


@pytest.mark.parametrize("wanted", [True, False])
async def test_links_are_set_up_only_where_the_config_wants_it(wanted: bool) -> None:
    links, changed = Links(), asyncio.Event()
    of = resource()
    pools = {of.full_name: make_pool(selection(with_links(eth0=False), of=of), SYSTEM)}
    state = NodeState(Config(set_links_up=wanted), Inventory(), 0.0, pools=pools)
    states = Latest(state)
    following = asyncio.create_task(follow(states, changed.set, links.keeper))
    try:
        if wanted:
            await asyncio.wait_for(changed.wait(), 60)
        else:
            await asyncio.sleep(0)
            states.set(state)
            await asyncio.sleep(0)
    finally:
        following.cancel()
    assert links.set_up == (["eth0"] if wanted else [])


async def test_under_another_root_no_link_of_this_machine_is_touched(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    node.configure(entry(), setLinksUp=True)
    for number in (0, 1):
        (node.host.root / f"sys/class/net/eth{number}/flags").write_text("0x1002\n")
    async with node.daemon() as daemon:
        await kubelet.wait_for(NAME, healthy(4))
        node.host.unplug("mlx5_1")
        await daemon.says("lost mlx5_1")  # the scan after the one that would have set it up
        await daemon.stop()
        assert not daemon.count("set eth")
