"""`python -m simulator VERB`: simulated hosts and a simulated kubelet."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from rdma_dp.cli.output import OK
from rdma_dp.cli.parsing import Verb, parse, verbs_parser
from rdma_dp.errors import RdmaDpError
from rdma_dp.text import printable
from simulator import demo, host
from simulator.kubelet import Event, SimulatedKubelet


def main(words: Sequence[str] | None = None) -> int:
    """Runs one verb. Returns its exit code: 1 after an error, with a line on stderr."""
    options = parse(verbs_parser(PROGRAM, DESCRIPTION, VERBS), words)
    try:
        return int(options.verb(options))
    except RdmaDpError as error:
        print(f"simulator: {printable(str(error))}", file=sys.stderr)
        return int(options.failed)


def _demo(options: argparse.Namespace) -> int:
    """Run the real daemon on a sample host against the simulated kubelet, for ten seconds."""
    asyncio.run(demo.run(options.host, options.config, say=_say))
    return OK


def _add_demo_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--host",
        default="dgx-h100",
        metavar="SAMPLE|DIR",
        help="name of a sample host, or the directory of one (default: %(default)s)",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="config, JSON or YAML (default: the config of the demo)",
    )


def _host(options: argparse.Namespace) -> int:
    """Write a sample host as a directory tree, for rdma-dp --root."""
    if options.directory.exists():
        raise RdmaDpError(f"{options.directory} exists already", "name a directory to be made")
    built = host.build(host.load(options.name), options.directory)
    _say(f"{built.root}: {built.manifest.title}")
    return OK


def _add_host_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help=f"one of {', '.join(host.sample_names())}")
    parser.add_argument(
        "directory", type=Path, metavar="DIR", help="directory to make; it must not exist"
    )


def _kubelet(options: argparse.Namespace) -> int:
    """Simulate kubelet in a directory and print each event, until SIGINT or SIGTERM."""
    asyncio.run(_run_kubelet(options.root))
    return OK


def _add_kubelet_arguments(parser: argparse.ArgumentParser) -> None:
    text = "directory that stands for /var/lib/kubelet"
    parser.add_argument("root", type=Path, metavar="DIR", help=text)


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


PROGRAM = "python -m simulator"
DESCRIPTION = "Simulated hosts and a simulated kubelet. They need no HCA and no root."
VERBS = [
    Verb(
        "demo",
        "",
        _demo,
        [_add_demo_arguments],
        [
            "python -m simulator demo",
            "python -m simulator demo --host roce-bond",
        ],
    ),
    Verb(
        "host",
        "",
        _host,
        [_add_host_arguments],
        ["python -m simulator host dgx-h100 /tmp/dgx", "rdma-dp discover --root /tmp/dgx"],
    ),
    Verb(
        "kubelet",
        "",
        _kubelet,
        [_add_kubelet_arguments],
        ["python -m simulator kubelet /tmp/kubelet"],
    ),
]

if __name__ == "__main__":
    sys.exit(main())
