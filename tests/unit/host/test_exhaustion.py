"""Without free file descriptors every door to the machine raises ExhaustedError.

Each test runs a Python of its own with RLIMIT_NOFILE lowered, so nothing else fails with it.
"""

import subprocess
import sys

import pytest

from tests.paths import REPO

# Descriptors that are still free: none, fewer than a netlink socket of pyroute2 needs, and plenty.
FEW = range(4)
PLENTY = 12

# `exhausted(free)` holds all descriptors but `free` while its block runs. rtnetlink, which every
# kernel has, takes the place of RDMA netlink: it refuses the questions, but only when it gets them.
HELP = """
import asyncio, contextlib, logging, os, resource, sys
from pathlib import Path

resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

@contextlib.contextmanager
def exhausted(free):
    held = []
    with contextlib.suppress(OSError):
        while True:
            held.append(os.open(os.devnull, os.O_RDONLY))
    for _ in range(free):
        os.close(held.pop())
    try:
        yield
    finally:
        for each in held:
            os.close(each)

from rdma_dp.host import events
from rdma_dp.host.relevant_links import RelevantLinks
from rdma_dp.host.files import ExhaustedError, Host
from rdma_dp.host.netlink import links, rdma_queries, values
rdma_queries.NETLINK_RDMA = values.NETLINK_RDMA = 0
rdma_queries.IB_CORE = Path("/")

def outcome(free, question, *arguments):
    with exhausted(free):
        try:
            return question(*arguments)
        except ExhaustedError as error:
            return f"exhausted: {error}"

"""


def run(script: str) -> list[str]:
    """The lines that a script prints. It must not write to stderr."""
    done = subprocess.run(
        [sys.executable, "-c", HELP + script],
        cwd=REPO,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize("loaded", [True, False])
@pytest.mark.parametrize("question", ["query", "query_queue_pairs", "query_objects"])
def test_rdma_netlink_is_not_missing_without_descriptors(question: str, loaded: bool) -> None:
    """Also before pyroute2 is imported, and it answers again as soon as descriptors are free."""
    load = "import rdma_dp.host.netlink.nldev" if loaded else ""
    script = f"""
{load}
for free in {[*FEW, PLENTY]}:
    print(outcome(free, rdma_queries.{question}))
"""
    *few, plenty = run(script)
    assert few == ["exhausted: cannot ask RDMA netlink: Too many open files"] * len(FEW)
    assert not plenty.startswith("exhausted")


def test_a_kernel_without_rdma_netlink_is_none() -> None:
    script = """
rdma_queries.NETLINK_RDMA = 21  # NETLINK_CRYPTO stands for a protocol that the kernel refuses
import socket
class Refused(socket.socket):
    def __init__(self, *arguments):
        raise OSError(93, "Protocol not supported")
socket.socket = Refused
print(outcome(0, rdma_queries.query))
"""
    assert run(script) == ["None"]


def test_altnames_indexes_and_links_need_descriptors() -> None:
    script = """
for question in (links.index_of, links.set_up, lambda name: links.query_altnames([name])):
    print(outcome(0, question, "lo"))
print(outcome(4, links.index_of, "gone0"))
"""
    assert run(script) == [
        "exhausted: cannot read the index of lo: Too many open files",
        "exhausted: cannot set lo up: Too many open files",
        "exhausted: cannot ask rtnetlink for altnames: Too many open files",
        "None",
    ]


@pytest.mark.parametrize("free", [0, 1, 2, 3])
def test_events_that_cannot_be_followed_for_a_lack_of_descriptors_are_an_error(free: int) -> None:
    script = f"""
async def follow():
    loop = asyncio.get_running_loop()
    with exhausted({free}):
        try:
            sources = events.kernel_sources(RelevantLinks())
            await asyncio.wait_for(events.follow(lambda: None, sources), 10)
        except ExhaustedError as error:
            print(f"exhausted: {{error}}")
asyncio.run(follow())
"""
    assert run(script) == ["exhausted: cannot listen to uevents: Too many open files"]


@pytest.mark.parametrize("free", [0, 1, 3])
def test_the_daemon_keeps_the_last_inventory(free: int) -> None:
    script = f"""
logging.basicConfig(stream=sys.stdout, format="%(message)s")
from rdma_dp.daemon.scanner import Scanner
from rdma_dp.discovery import scan
from rdma_dp.inventory.hardware import Inventory

async def main():
    node = Scanner(Host("/"))
    await node.scan()
    before = node.inventory
    with exhausted({free}):
        await node.scan()
    print(node.inventory is before, isinstance(before, Inventory))
asyncio.run(main())
"""
    line, kept = run(script)
    assert line.startswith("the scan failed, the last lists stay in force: cannot ")
    assert line.endswith("Too many open files")
    assert kept == "True True"


def test_a_verb_that_cannot_even_be_imported_reports_it_in_one_line() -> None:
    script = """
from rdma_dp.cli.main import main
main(["schema"])  # imports the parser of the command line, but not what discover needs
sys.stderr = sys.stdout
print()
with exhausted(0):
    print(main(["discover"]))
"""
    assert run(script)[-2:] == [
        "rdma-dp: out of file descriptors or memory: Too many open files",
        "1",
    ]


def test_a_verb_reports_it_in_one_line() -> None:
    script = """
from rdma_dp.cli.main import main
main(["discover", "--output", "json"])  # what it imports is in memory from here on
sys.stderr = sys.stdout
print()
print("---")
for free in (0, 3):
    with exhausted(free):
        print(main(["discover"]))
"""
    lines = run(script)
    first, code, second, other_code = lines[lines.index("---") + 1 :]
    assert first.startswith("rdma-dp: cannot ")
    assert second == "rdma-dp: cannot ask RDMA netlink: Too many open files"
    assert (code, other_code) == ("1", "1")
