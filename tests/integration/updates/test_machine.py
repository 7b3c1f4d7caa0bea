"""Random sequences of everything that can happen to a node, compared with a model.

The sockets and files are real. The clock runs SPEED times as fast as real time.
"""

import asyncio
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from rdma_dp.kubelet.registration import handover
from rdma_dp.kubelet.registration.choice import RegistrationMode
from tests.integration.updates.clocks import HurriedLoop
from tests.integration.updates.expected import ANNOTATIONS, BOTH, CRI, HCA, OFF, RESOURCE, Wanted
from tests.integration.updates.hosts import FIRST_HOST, hcas_of
from tests.integration.updates.model import NO_CDI, NO_DEVICE_INFO, Model
from tests.integration.updates.world import DEADLINE, World
from tests.logs import Log

SPEED = 20.0

NAMES = st.sampled_from(("a", "b", "c"))
SELECTORS = st.sampled_from(
    (
        {"vendors": ["15b3"]},
        {"vendors": ["1d0f"]},
        {"linkTypes": ["infiniband"]},
        {"ifNames": ["eth0", "eth5"]},
        {"drivers": ["mlx4_core"]},
        {"rdmaDevices": ["*"]},
        {"rdmaDevices": ["*"], "exclude": {"vendors": ["15b3"]}},
        {"functionTypes": ["vf", "sf", "virtual"]},
        {"vendors": ["8086"]},
    )
)
SLOTS_PER = st.sampled_from((RESOURCE, HCA))
WANTED = st.builds(
    Wanted,
    slots=st.integers(1, 5),
    selectors=SELECTORS,
    require_active_port=st.booleans(),
    down_seconds=st.sampled_from((0, 0, 1, 3)),
    slots_per=SLOTS_PER,
    preference=st.sampled_from(("spread", "pack")),
    device_info=st.booleans(),
)
CDI = st.sampled_from((None, OFF, OFF, CRI, ANNOTATIONS, BOTH))
BAD_CONFIGS = st.sampled_from(
    ("", "{", "[]", '{"configList": []}', '{"configList": [{"resourceName": "a"}]}', "\0", "null")
)
PORT_STATES = st.sampled_from(
    (("ACTIVE", "LinkUp"), ("DOWN", "Disabled"), ("INIT", "LinkUp"), ("ARMED", "LinkUp"))
)
LEAST_OF_ALL = Wanted(3, {"vendors": ["15b3"]})

# The violation that kubelet sees if a process exits while another one calls. At any other time it
# is an error.
OF_AN_END = "it registered before it served"
# The violation that it sees if a new process does not list the ids of the process before it.
OF_A_NEW_PROCESS = "once listed, not any more"
# The violation that it sees if the remaining process cannot know whether the other one mattered.
OF_A_PEER = "it registered again while its stream was open"


class Node(RuleBasedStateMachine):
    """The rules are events. After any sequence of them, kubelet agrees with the model at rest."""

    def __init__(self, runner: asyncio.Runner) -> None:
        super().__init__()
        self._runner = runner
        self._tolerated: set[str] = set()
        self._foreign: set[str] = set()  # the resources that a foreign plugin has served
        self._checked = 0
        self._plugged = dict.fromkeys(hcas_of(FIRST_HOST), True)

    def run(self, work: Coroutine[Any, Any, Any]) -> None:
        self._runner.run(work)

    @initialize(
        way=st.sampled_from((RegistrationMode.DEVICE_PLUGINS, RegistrationMode.PLUGINS_REGISTRY)),
        mount=st.booleans(),
        second_host=st.booleans(),
        wishes=st.dictionaries(NAMES, WANTED, min_size=1),
        cdi=CDI,
        use_cdi=st.booleans(),
        per_path=st.booleans(),
    )
    def begin(
        self,
        way: RegistrationMode,
        mount: bool,
        second_host: bool,
        wishes: dict[str, Wanted],
        cdi: str | None,
        use_cdi: bool,
        per_path: bool,
    ) -> None:
        model = Model(cdi=cdi, use_cdi=use_cdi)
        for name, wanted in wishes.items():
            model.wish(name, wanted)
        self.world = World(way, model, config_map=mount, per_path=per_path)
        if second_host:
            self.another_host()

        async def begin() -> None:
            self.world.start_daemon()

        self.run(begin())

    # --- hardware -------------------------------------------------------------------------------

    @rule(data=st.data())
    def plug_or_unplug(self, data: st.DataObject) -> None:
        hca = data.draw(st.sampled_from(sorted(self._plugged)), "HCA")
        (self.world.host.unplug if self._plugged[hca] else self.world.host.plug)(hca)
        self._plugged[hca] = not self._plugged[hca]

    @rule(seconds=st.sampled_from((0.01, 0.5)))
    def all_hcas_leave_for_a_while(self, seconds: float) -> None:
        there = [hca for hca, plugged in self._plugged.items() if plugged]
        for hca in there:
            self.world.host.unplug(hca)
        self.kernel_speaks(1)
        self.run(asyncio.sleep(seconds))
        for hca in there:
            self.world.host.plug(hca)

    @rule(data=st.data(), state=PORT_STATES)
    def port(self, data: st.DataObject, state: tuple[str, str]) -> None:
        ports = hcas_of(self.world.host.manifest)
        hca = data.draw(st.sampled_from(sorted(ports)), "HCA")
        number = data.draw(st.sampled_from(ports[hca]), "port")
        self.world.host.set_port(hca, number, state=state[0], phys_state=state[1])

    @rule()
    def another_host(self) -> None:
        self.world.replace_host()
        self._plugged = dict.fromkeys(hcas_of(self.world.host.manifest), True)

    @rule(times=st.integers(1, 50))
    def many_events(self, times: int) -> None:
        self.kernel_speaks(times)

    def kernel_speaks(self, times: int) -> None:
        for daemon, _ in self.world.daemons:
            for _ in range(times):
                daemon.scan_again.wake()

    # --- config ---------------------------------------------------------------------------------

    def wish(self, name: str, wanted: Wanted | None, *, in_place: bool = False) -> None:
        model = self.world.model
        before = model.wishes.get(name)
        if before and (wanted is None or wanted.slots_per != before.slots_per):
            self._tolerated.add(OF_AN_END)  # it is removed, perhaps to be added with other options
        model.wish(name, wanted)
        if not model.wishes:
            model.wish("b", LEAST_OF_ALL)
        self.world.publish(in_place=in_place)

    @rule(name=NAMES, wanted=WANTED, in_place=st.booleans())
    def resource_comes_or_turns(self, name: str, wanted: Wanted, in_place: bool) -> None:
        self.wish(name, wanted, in_place=in_place)

    @rule(name=NAMES)
    def resource_goes(self, name: str) -> None:
        self.wish(name, None)

    @rule(slots=st.integers(1, 6))
    def resource_grows_or_shrinks(self, slots: int) -> None:
        name, wanted = next(iter(self.world.model.wishes.items()))
        self.wish(name, replace(wanted, slots=slots))

    @rule(slots_per=SLOTS_PER, device_info=st.booleans())
    def resource_counts_otherwise(self, slots_per: str, device_info: bool) -> None:
        name, wanted = next(iter(self.world.model.wishes.items()))
        self.wish(name, replace(wanted, slots_per=slots_per, device_info=device_info))

    @rule(mode=CDI)
    def cdi_turns(self, mode: str | None) -> None:
        self.world.model.cdi = mode
        self.world.publish()

    @rule(content=BAD_CONFIGS)
    def bad_config(self, content: str) -> None:
        self.run(self.world.all_have_begun())  # a daemon exits if its first config is bad
        self.world.publish(content)

    @rule()
    def config_is_deleted(self) -> None:
        self.world.config.unlink(missing_ok=True)

    @rule()
    def sighup(self) -> None:
        for daemon, _ in self.world.daemons:
            daemon.config_file.demand()

    # --- files ----------------------------------------------------------------------------------

    @rule(obstacle=st.sampled_from((NO_CDI, NO_DEVICE_INFO)) | NAMES)
    def files_are_hindered(self, obstacle: str) -> None:
        self.world.hinder(obstacle)

    @precondition(lambda self: self.world.model.obstacles)
    @rule()
    def files_are_possible_again(self) -> None:
        self.world.clear_the_way()

    # --- kubelet --------------------------------------------------------------------------------

    @rule(kill=st.booleans())
    def kubelet_ends(self, kill: bool) -> None:
        self._tolerated.add(OF_AN_END)
        self.run(self.world.end_kubelet(kill=kill))

    @rule()
    def kubelet_starts(self) -> None:
        self.run(self.world.start_kubelet())

    @rule(times=st.integers(1, 3), kill=st.booleans())
    def kubelet_restarts(self, times: int, kill: bool) -> None:
        self._tolerated.add(OF_AN_END)

        async def restart() -> None:
            for _ in range(times):
                await self.world.end_kubelet(kill=kill)
                await self.world.start_kubelet()

        self.run(restart())

    # --- the plugin -----------------------------------------------------------------------------

    @precondition(lambda self: len(self.world.daemons) < 2)
    @rule()
    def plugin_starts(self) -> None:
        """Also beside another process, as in a rolling update."""
        self._tolerated |= {OF_A_NEW_PROCESS, OF_A_PEER}
        self.world.publish()

        async def start() -> None:
            self.world.start_daemon()

        self.run(start())

    @precondition(lambda self: self.world.daemons)
    @rule()
    def plugin_ends(self) -> None:
        self._tolerated |= {OF_AN_END, OF_A_NEW_PROCESS}
        self.run(self.world.end_daemon())

    # --- a plugin of others ---------------------------------------------------------------------

    @precondition(lambda self: self.world.foreign is None)
    @rule(
        name=NAMES,
        mode=st.sampled_from((RegistrationMode.DEVICE_PLUGINS, RegistrationMode.PLUGINS_REGISTRY)),
    )
    def foreign_plugin_starts(self, name: str, mode: RegistrationMode) -> None:
        """For one of our resources, or for one that is not in the config now."""
        self._tolerated |= {OF_AN_END, OF_A_NEW_PROCESS, OF_A_PEER}
        self._foreign.add(name)
        self.run(self.world.start_foreign(name, mode))

    @precondition(lambda self: self.world.foreign is not None)
    @rule(kill=st.booleans())
    def foreign_plugin_ends(self, kill: bool) -> None:
        self._tolerated |= {OF_AN_END, OF_A_NEW_PROCESS, OF_A_PEER}
        self.run(self.world.end_foreign(kill=kill))

    # --- time, and rest -------------------------------------------------------------------------

    @rule(seconds=st.sampled_from((0.0, 0.01, 0.1, 0.5, 1.5)))
    def time_passes(self, seconds: float) -> None:
        self.run(asyncio.sleep(seconds))

    @rule(alone=st.booleans(), kill=st.booleans())
    def rest(self, alone: bool, kill: bool = False) -> None:
        async def rest() -> None:
            if self.world.foreign is not None:
                self._tolerated |= {OF_AN_END, OF_A_NEW_PROCESS, OF_A_PEER}
                await self.world.end_foreign(kill=kill)
            self.world.publish()
            await self.world.start_kubelet()
            if not self.world.daemons:
                self.world.start_daemon()
            if alone and len(self.world.daemons) > 1:
                self._tolerated |= {OF_AN_END, OF_A_NEW_PROCESS}
                await self.world.end_daemon()
            await self.world.settle()

        self.run(rest())
        self.no_harm_was_done()
        if len(self.world.daemons) == 1:
            self._tolerated &= {OF_A_PEER}  # this may take a while

    @invariant()
    def no_harm_was_done(self) -> None:
        if not hasattr(self, "world"):
            return
        violations = self.world.kubelet.violations
        new, self._checked = violations[self._checked :], len(violations)
        assert [violation for violation in new if not self._is_tolerated(violation)] == []

    def _is_tolerated(self, violation: str) -> bool:
        # A foreign plugin has its own ids, which kubelet keeps for a while.
        foreign = any(violation.startswith(f"rdma/{name}:") for name in self._foreign)
        if foreign and OF_A_NEW_PROCESS in violation:
            return True
        return any(words in violation for words in self._tolerated)

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self.world.clear_the_way()
            self.rest(alone=True)
            self.run(self.end())
        finally:
            self.run(self.clear())

    async def end(self) -> None:
        await self.world.close()
        if others := _others():  # gRPC's server ends one step after its calls
            _, left = await asyncio.wait(others, timeout=DEADLINE)
            assert not left, f"left behind: {left}"

    async def clear(self) -> None:
        """After a failure, nothing may affect the next example."""
        for task in _others():
            task.cancel()
        await asyncio.gather(*_others(), return_exceptions=True)


def _others() -> set[asyncio.Task[Any]]:
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """One loop for all tests: gRPC's threads outlive a loop."""
    with pytest.MonkeyPatch.context() as patch:
        # On a fast clock, calls from socket to socket take no time.
        patch.setattr(handover, "HANDOVER_TIMEOUT", handover.HANDOVER_TIMEOUT * SPEED)
        with asyncio.Runner(loop_factory=lambda: HurriedLoop(SPEED)) as running:
            yield running


def test_a_resource_comes_back_with_fewer_slots_in_a_process_that_did_not_know_it(
    runner: asyncio.Runner,
) -> None:
    way, node = RegistrationMode.DEVICE_PLUGINS, Node(runner)
    wishes = {"a": replace(LEAST_OF_ALL, slots=12), "b": LEAST_OF_ALL}
    node.begin(
        way,
        mount=False,
        second_host=False,
        wishes=wishes,
        cdi=None,
        use_cdi=False,
        per_path=False,
    )
    try:
        node.rest(alone=True)
        node.resource_goes("a")
        node.run(asyncio.sleep(3.0))
        node.plugin_ends()
        node.rest(alone=True)
        node.resource_comes_or_turns("a", LEAST_OF_ALL, in_place=False)
        node.rest(alone=True)
    finally:
        node.teardown()


@pytest.mark.timeout(900)
def test_at_rest_kubelet_holds_what_the_node_and_the_config_say(
    lines: Log, runner: asyncio.Runner
) -> None:
    run_state_machine_as_test(
        partial(Node, runner),  # type: ignore[arg-type]  # its docstring takes any factory
        settings=settings(
            max_examples=150,
            stateful_step_count=50,
            deadline=None,
            # real sockets race, so a failing sequence cannot be shortened
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )
