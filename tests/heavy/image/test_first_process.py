"""A signal ends the daemon as the first process of a container, however early it comes."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.heavy.image.builder import Image

MILLISECONDS = (1, 5, 12, 20, 50, 100)
SIGNALS = (signal.SIGTERM, signal.SIGQUIT)
DEADLINE = 60.0  # seconds; only a failing test waits that long
INIT = "tini-static"

# What the operator's DaemonSet runs, and what the ENTRYPOINT and the manifests in deploy/ run.
COMMANDS = {
    "operator": ("/bin/k8s-rdma-shared-dp",),
    "entrypoint": ("/bin/rdma-dp", "run"),
}


@pytest.fixture(scope="module")
def root(image: Image) -> Path:
    return image.root


@contextmanager
def first_process(root: Path, *command: str) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """A program as the first process of a PID namespace, and its process id outside.

    The block begins when the kernel has started the program: before that, no container exists.
    """
    # A shell starts what runs in the background with SIGQUIT ignored. A runtime does not.
    unshare = ("env", "--default-signal", "unshare", "--pid", "--fork", "--kill-child")
    with subprocess.Popen(
        (*unshare, f"--root={root}", *command, "--config-file", "/run/none/config.json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as started:
        try:
            yield started, _first(started)
        finally:
            started.kill()


def _first(unshare: "subprocess.Popen[str]") -> int:
    children = Path(f"/proc/{unshare.pid}/task/{unshare.pid}/children")
    until = time.monotonic() + DEADLINE
    while time.monotonic() < until:
        assert unshare.poll() is None, "it has ended by itself"
        for child in children.read_text().split():
            if Path(f"/proc/{child}/exe").readlink().name == INIT:
                return int(child)
    raise AssertionError(f"the first process did not become {INIT}")


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("after", MILLISECONDS)
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_signal_is_never_lost(
    root: Path, command: tuple[str, ...], after: int, number: signal.Signals
) -> None:
    with first_process(root, *command) as (started, first):
        time.sleep(after / 1000)
        os.kill(first, number)
        said, _ = started.communicate(timeout=DEADLINE)
    assert started.returncode in (0, 128 + number)
    assert "Traceback" not in said


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_running_daemon_ends_in_order(root: Path, command: tuple[str, ...]) -> None:
    with first_process(root, *command) as (started, first):
        assert started.stdout is not None
        said = ""
        while "waiting for a config" not in said:
            said = started.stdout.readline()
            assert said, "the daemon has ended by itself"
        os.kill(first, signal.SIGTERM)
        rest, _ = started.communicate(timeout=DEADLINE)
    assert started.returncode == 0
    assert "stopped" in rest


@pytest.mark.parametrize("program", ["/bin/rdma-dp", "/bin/k8s-rdma-shared-dp"])
def test_beside_another_first_process_init_says_nothing(image: Image, program: str) -> None:
    """As with `kubectl exec`."""
    shown = image.run(program, "--version")
    assert (shown.returncode, shown.stderr) == (0, "")
