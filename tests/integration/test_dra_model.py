"""Slices and claims together: at rest the API server holds what the node says, and the files hold
what pods have.

Random sequences: HCAs that come and go, links, pods with claims, API errors, conflicts and lost
answers, gates that are lost, kubelet's deletions, restarts, claims that kubelet has forgotten, and
a second instance. Models of the parts alone are in test_claim_model.py and
test_slice_publisher_model.py.
"""

import asyncio
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from simulator.api_server import ApiFault
from tests.integration.dra_world import World, a_world

hardware = st.dictionaries(st.integers(1, 3), st.booleans(), max_size=3)
pods = st.integers(1, 3)
faults = st.builds(
    ApiFault,
    status=st.sampled_from([None, 401, 409, 429, 503]),
    verb=st.sampled_from(["get", "list", "watch", "create", "update", "delete"]),
    times=st.integers(1, 2),
    carried_out=st.booleans(),
)
actions = st.one_of(
    hardware.map(lambda value: ("change", value)),
    pods.map(lambda value: ("start_pod", value)),
    pods.map(lambda value: ("end_pod", value)),
    pods.map(lambda value: ("delete_claim", value)),
    faults.map(lambda value: ("fail", value)),
    st.sampled_from(
        [
            "kubelet_restarts",
            "lose_checkpoint",
            "watch_breaks",
            "lose_gates",
            "another_instance",
            "stop",
            "rest",
        ]
    ).map(lambda name: (name, None)),
)


async def play(world: World, action: str, value: Any) -> None:
    done = getattr(world, action)(value)
    if done is not None:
        await done


async def run(slots: str, script: list[tuple[str, Any]]) -> None:
    async with a_world(slots) as world:
        for action, value in script:
            await play(world, action, value)
        await world.rest()
        for pod in (*world.pods,):
            await world.end_pod(pod)
        await world.rest()


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@example(
    slots="each",
    script=[
        ("start_pod", 1),
        ("start_pod", 2),
        ("another_instance", None),
        ("lose_checkpoint", None),
        ("end_pod", 1),
        ("rest", None),
        ("start_pod", 1),
    ],
)
@given(slots=st.sampled_from(["shared", "each"]), script=st.lists(actions, min_size=3, max_size=10))
def test_at_rest_server_and_files_agree_with_the_node_and_its_pods(
    slots: str, script: list[tuple[str, Any]]
) -> None:
    asyncio.run(run(slots, script))
