"""The lock of claim files: between threads, and between processes."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rdma_dp.kubelet.dra.claim_lock import ClaimLock
from rdma_dp.kubelet.dra.claim_record import StoreError

HOLDER = """
import sys
from pathlib import Path
from rdma_dp.kubelet.dra.claim_lock import ClaimLock
with ClaimLock(Path(sys.argv[1])).held():
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_a_process_that_holds_it_is_waited_for_and_reported(tmp_path: Path) -> None:
    path = tmp_path / "driver" / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        text = r"another rdma-dp has held the lock .*lock for 0 s"
        with pytest.raises(StoreError, match=text), ClaimLock(path, timeout=0.01).held():
            pass
        holder.kill()
    with ClaimLock(path, timeout=60).held():
        pass


def test_threads_hold_it_in_turn(tmp_path: Path) -> None:
    locks, inside, most = [ClaimLock(tmp_path / "lock") for _ in range(2)], [], []

    def work(lock: ClaimLock) -> None:
        for _ in range(50):
            with lock.held():
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work, args=(locks[n % 2],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert len(most) == 200


def test_a_link_under_its_name_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "other")
    with pytest.raises(StoreError, match="cannot lock"), ClaimLock(tmp_path / "lock").held():
        pass
    assert not (tmp_path / "other").exists()
