"""`python -m rdma_dp.standin DIR`: the stand-in for kubelet in the foreground."""

import argparse
import asyncio
import signal
from pathlib import Path

from rdma_dp.standin.kubelet import Event, StandinKubelet


def _show(event: Event) -> None:
    print(event, flush=True)  # noqa: T201 - a program of its own, and this is its output


async def _run(root: Path) -> None:
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, over.set)
    async with StandinKubelet(root, on_event=_show):
        await over.wait()


def main() -> None:
    """Play kubelet below a directory and print what happens, until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m rdma_dp.standin", description=main.__doc__)
    parser.add_argument("root", type=Path, metavar="DIR", help="stands for /var/lib/kubelet")
    asyncio.run(_run(parser.parse_args().root))


if __name__ == "__main__":
    main()
