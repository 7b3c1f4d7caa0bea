from hypothesis import given
from hypothesis import strategies as st

from rdma_dp import config
from rdma_dp.inventory.hardware import Hca, NetDevice, Port
from rdma_dp.inventory.verdicts import UnhealthyCode
from rdma_dp.sharing.health import GroupHealth, assess, has_active_port, links_down
from rdma_dp.sharing.pool import Pool, make_pool
from tests.makers import SYSTEM, hca, resource, selection

RULES = config.Health(down_seconds=5)
UP, DOWN = hca(0), hca(0, state="DOWN")

STATES = st.none() | st.sampled_from(("ACTIVE", "DOWN", "INIT", "ARMED", "NOP"))
AGES = st.floats(0, 100, allow_nan=False)


def follow(*looks: tuple[float, Hca | None], rules: config.Health = RULES) -> list[GroupHealth]:
    """The verdicts of looks at these moments, one HCA or none at each."""
    verdicts: list[GroupHealth] = []
    for now, found in looks:
        previous = verdicts[-1] if verdicts else None
        verdicts.append(assess((found,) if found else (), rules, previous, now))
    return verdicts


def states(verdicts: list[GroupHealth]) -> list[bool]:
    return [verdict.healthy for verdict in verdicts]


def test_an_active_port_is_healthy_from_the_first_look() -> None:
    assert follow((0, UP)) == [GroupHealth(healthy=True)]


def test_no_hca_is_unhealthy_at_once_since_allocate_would_have_nothing_to_give() -> None:
    assert states(follow((0, UP), (0, None))) == [True, False]


def test_a_port_that_was_never_active_gets_no_grace() -> None:
    (verdict,) = follow((0, DOWN))
    assert (verdict.healthy, verdict.overdue_at) == (False, None)


def test_a_lost_port_counts_after_down_seconds_in_a_row() -> None:
    verdicts = follow((10, UP), (11, DOWN), (13, DOWN), (15.9, DOWN), (16, DOWN), (17, DOWN))
    assert states(verdicts) == [True, True, True, True, False, False]
    assert [verdict.overdue_at for verdict in verdicts[1:4]] == [16, 16, 16]


def test_the_moment_to_look_again_is_told_while_the_grace_lasts_and_not_longer() -> None:
    before, during, after = follow((0, UP), (1, DOWN), (6, DOWN))
    assert (before.overdue_at, during.overdue_at, after.overdue_at) == (None, 6, None)


def test_an_active_port_is_healthy_again_at_once() -> None:
    verdicts = follow((0, UP), (1, DOWN), (9, DOWN), (9, UP))
    assert states(verdicts) == [True, True, False, True]
    assert verdicts[-1] == GroupHealth(healthy=True)


def test_a_flapping_port_never_flaps_the_list() -> None:
    """Down for 4 s of every 5 s, seen at every second: never 5 s in a row."""
    verdicts = follow(*((now, UP if now % 5 == 0 else DOWN) for now in range(60)))
    assert all(states(verdicts))


def test_zero_seconds_mean_no_grace() -> None:
    at_once = config.Health(down_seconds=0)
    assert states(follow((0, UP), (0, DOWN), (0, UP), rules=at_once)) == [True, False, True]


def test_shorter_grace_holds_for_a_loss_that_is_already_there() -> None:
    during = follow((0, UP), (1, DOWN), (3, DOWN))[-1]
    assert not assess((DOWN,), config.Health(down_seconds=1), during, 3).healthy


def test_without_require_active_port_device_nodes_are_enough() -> None:
    """As in the Go plugin."""
    rules = config.Health(require_active_port=False)
    assert states(follow((0, DOWN), (100, DOWN), (101, None), rules=rules)) == [True, True, False]


def test_one_active_port_of_one_hca_is_enough_for_the_pool() -> None:
    two_ports = hca(1, ports=(Port(1, "DOWN"), Port(2, "ACTIVE")))
    assert assess((DOWN, two_ports), RULES, None, 0).healthy


def test_ports_that_tell_no_state_count_as_up() -> None:
    """EFA: the state is there on some kernels and says nothing on others."""
    assert has_active_port(hca(ports=(Port(1, None),)))
    assert has_active_port(hca(ports=()))
    assert assess((hca(ports=(Port(1, None),)),), RULES, None, 0).healthy


def test_init_without_a_subnet_manager_is_named_as_the_reason() -> None:
    waiting = hca(3, ports=(Port(1, "INIT", "LinkUp", "InfiniBand"),))
    (verdict,) = follow((0, waiting))
    assert verdict.reason is not None
    assert verdict.reason.code is UnhealthyCode.NO_ACTIVE_PORT
    assert str(verdict.reason) == (
        "no ACTIVE port: mlx5_3 port 1 is INIT (the cable is good, but no subnet manager answers)"
    )


def test_init_on_ethernet_is_not_blamed_on_a_subnet_manager() -> None:
    (verdict,) = follow((0, hca(state="INIT")))
    assert str(verdict.reason) == "no ACTIVE port: mlx5_0 port 1 is INIT"


def test_an_administratively_down_link_is_named_as_the_reason() -> None:
    netdevs = (NetDevice("eth0", "ether", admin_up=False), NetDevice("bond0", admin_up=True))
    (verdict,) = follow((0, hca(state="DOWN", netdevs=netdevs)))
    assert str(verdict.reason) == (
        "no ACTIVE port: mlx5_0 port 1 is DOWN"
        " (eth0 is administratively down: `ip link set eth0 up`)"
    )


def test_a_link_whose_flags_are_unknown_is_not_blamed() -> None:
    unknown = hca(netdevs=(NetDevice("eth0", admin_up=None), NetDevice("eth1", admin_up=True)))
    assert links_down(unknown, ["eth0", "eth1", "gone"]) == []


@given(st.lists(st.tuples(st.floats(0, 3), STATES | st.just("gone")), max_size=30))
def test_unhealthy_is_what_was_never_up_or_down_long_enough(
    looks: list[tuple[float, str | None]],
) -> None:
    """Against the plainest model: since when has every look seen it down, after one saw it up?"""
    now = 0.0
    was_up, down_since = False, None
    verdict: GroupHealth | None = None
    for passed, state in looks:
        now += passed
        found = () if state == "gone" else (hca(ports=(Port(1, state),)),)
        verdict = assess(found, RULES, verdict, now)
        if not found or state in (None, "ACTIVE"):
            was_up, down_since = bool(found), None
            assert verdict.healthy == was_up
        else:
            down_since = now if down_since is None else down_since
            assert verdict.healthy == (was_up and now < down_since + 5)


@given(st.lists(st.tuples(AGES, st.booleans(), STATES, st.integers(1, 6)), max_size=20))
def test_a_pool_never_drops_an_id_whatever_happens(
    looks: list[tuple[float, bool, str | None, int]],
) -> None:
    previous: Pool | None = None
    for now, there, state, slots in sorted(looks, key=lambda look: look[0]):
        found = (hca(ports=(Port(1, state),)),) if there else ()
        pool = make_pool(selection(*found, of=resource(slots)), SYSTEM, previous, now)
        ids = [slot.id for slot in pool.slots]
        if previous is not None:
            assert ids[: previous.listed] == [slot.id for slot in previous.slots]
        assert ids == [str(number) for number in range(len(ids))]
        assert pool.healthy in (0, slots)
        assert bool(pool.hcas) or pool.healthy == 0
        previous = pool
