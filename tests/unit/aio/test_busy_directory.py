"""A directory in which another process makes files as fast as it can."""

import asyncio
import threading
from pathlib import Path

from rdma_dp.aio.directory_watch import DirectoryWatch

TURNS = 20
LONGEST = 30.0  # seconds after which the writer gives up


async def test_other_tasks_get_their_turns(tmp_path: Path) -> None:
    """The loop used to stand still for as long as there were events."""
    enough, over = threading.Event(), threading.Event()

    def write() -> None:
        timer = threading.Timer(LONGEST, enough.set)
        timer.start()
        while not enough.is_set():
            (tmp_path / "file").touch()
            (tmp_path / "file").unlink()
        timer.cancel()
        over.set()

    watch = DirectoryWatch(tmp_path)
    watching = asyncio.create_task(watch.run())
    await asyncio.sleep(0)
    thread = threading.Thread(target=write)
    thread.start()
    try:
        await watch.changes.until(lambda count: count > 3)
        for _ in range(TURNS):
            await asyncio.sleep(0.01)
        assert not over.is_set()
    finally:
        enough.set()
        await asyncio.to_thread(thread.join)
        watching.cancel()
        await asyncio.wait([watching])
