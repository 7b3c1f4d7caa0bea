"""Programs of the node, each with its own log."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

# Seconds; only a failing test waits that long.
DEADLINE = float(os.environ.get("RDMA_DP_TEST_DEADLINE", "90"))


class Process:
    """A running program. Its log is appended to that of an earlier one with this name."""

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> None:
        self.log = logs() / f"{name}.log"
        with self.log.open("ab") as out:
            self.began = out.tell()
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
            )

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    @property
    def said(self) -> str:
        """Its log so far."""
        with self.log.open("rb") as file:
            file.seek(self.began)
            return file.read().decode(errors="replace")

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Stop it and return its exit code."""
        if self.runs:
            self.send(number)
        return self.ended()

    def ended(self) -> int:
        """Wait for its exit and return its exit code."""
        try:
            return self._process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise


def logs() -> Path:
    """The directory of the logs."""
    return Path(os.environ["RDMA_DP_TEST_NODE"])


def wait_until(
    ask: Callable[[], T], accept: Callable[[T], object] = bool, *, pause: float = 0.03
) -> T:
    """Ask until the answer is accepted, and return it. kubelet has no events to wait for.

    The pause is at least as long as the question took: on a slow machine, questions take CPU time
    from the programs.
    Fails with the different answers that came.
    """
    begun = time.monotonic()
    seen: list[tuple[str, T]] = []
    while True:
        asked = time.monotonic()
        answer = ask()
        if accept(answer):
            return answer
        took, passed = time.monotonic() - asked, time.monotonic() - begun
        if not seen or seen[-1][1] != answer:
            seen.append((f"{passed:.2f} s", answer))
        assert passed < DEADLINE, f"not within {DEADLINE:.0f} s; there was {seen[-8:]}"
        time.sleep(max(pause, took))
