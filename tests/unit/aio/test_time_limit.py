"""A9: a start that takes too long ends the process with a reason."""

import subprocess
import sys

from tests.paths import REPO

_CODE = """
import logging, sys, time
logging.basicConfig(stream=sys.stdout, format="%(message)s")
from rdma_dp.aio.time_limit import limited
with limited("start", 0.5):
    {work}
print("goes on")
time.sleep(1)
print("and ends")
"""


def ended(work: str) -> tuple[int, str]:
    command = [sys.executable, "-c", _CODE.replace("{work}", work)]
    done = subprocess.run(
        command, cwd=REPO, capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, done.stdout


def test_what_hangs_ends_the_process_with_a_reason() -> None:
    """A9: gRPC waits for ever when it cannot start its threads."""
    code, out = ended("time.sleep(600)")
    assert code == 1
    assert out.startswith("cannot start within 0 s: the process ends (is there too little memory")


def test_what_ends_in_time_goes_on() -> None:
    assert ended("pass") == (0, "goes on\nand ends\n")


def test_what_fails_is_not_ended_later() -> None:
    code, out = ended(
        "pass\ntry:\n  with limited('fail', 0.5): 1 / 0\nexcept ZeroDivisionError: pass"
    )
    assert (code, out) == (0, "goes on\nand ends\n")
