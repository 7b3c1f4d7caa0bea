"""`python -m simulator VERB`: simulated hosts and a simulated kubelet, for people and for tests."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from rdma_dp.errors import RdmaDpError
from rdma_dp.text import printable
from simulator import demo, host
from simulator.kubelet import Event, SimulatedKubelet


def main(words: Sequence[str] | None = None) -> int:
    """Runs one verb. Returns its exit code: 1 when something is wrong, with a line on stderr."""
    options = _parser().parse_args(words)
    try:
        options.verb(options)
    except RdmaDpError as error:
        print(f"simulator: {printable(str(error))}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m simulator",
        description="Simulated hosts and a simulated kubelet. They need no HCA and no root.",
        epilog="examples:\n"
        "  python -m simulator demo --host roce-bond\n"
        "  python -m simulator host dgx-h100 /tmp/dgx && rdma-dp discover --root /tmp/dgx\n"
        "  python -m simulator kubelet /tmp/kubelet",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True)

    played = verbs.add_parser("demo", help=_demo.__doc__, description=_demo.__doc__)
    played.add_argument(
        "--host", default="dgx-h100", metavar="SAMPLE|DIR", help="default: %(default)s"
    )
    played.add_argument("--config", type=Path, metavar="FILE", help="instead of the demo's own")
    played.set_defaults(verb=_demo)

    written = verbs.add_parser("host", help=_host.__doc__, description=_host.__doc__)
    written.add_argument("name", metavar="NAME", help=f"one of {', '.join(host.sample_names())}")
    written.add_argument("directory", type=Path, metavar="DIR", help="is made; must not exist")
    written.set_defaults(verb=_host)

    kubelet = verbs.add_parser("kubelet", help=_kubelet.__doc__, description=_kubelet.__doc__)
    kubelet.add_argument("root", type=Path, metavar="DIR", help="stands for /var/lib/kubelet")
    kubelet.set_defaults(verb=_kubelet)
    return parser


def _demo(options: argparse.Namespace) -> None:
    """Run the real daemon on a sample host against the simulated kubelet, for ten seconds."""
    asyncio.run(demo.run(options.host, options.config, say=_say))


def _host(options: argparse.Namespace) -> None:
    """Write a sample host as a tree, for `rdma-dp --root`."""
    if options.directory.exists():
        raise RdmaDpError(f"{options.directory} exists already", "name a directory to be made")
    built = host.build(host.load(options.name), options.directory)
    _say(f"{built.root}: {built.manifest.title}")


def _kubelet(options: argparse.Namespace) -> None:
    """Play kubelet below a directory and print what happens, until SIGINT or SIGTERM."""
    asyncio.run(_run_kubelet(options.root))


async def _run_kubelet(root: Path) -> None:
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, over.set)
    async with SimulatedKubelet(root, on_event=_show):
        await over.wait()


def _show(event: Event) -> None:
    print(event, flush=True)


def _say(line: str) -> None:
    print(printable(line), flush=True)


if __name__ == "__main__":
    sys.exit(main())
