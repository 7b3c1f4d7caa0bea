"""`python -m bench`: measure and print. `--list` explains each figure."""

import argparse
import asyncio
import inspect
import sys
from collections.abc import Iterable
from typing import TextIO

from bench import table
from bench.figures import FIGURES
from bench.process import BenchError
from bench.scale import FULL, QUICK, Scale
from bench.table import Row
from bench.workshop import Workshop


def main() -> int:
    """Measures the chosen figures in one run."""
    options = _parser().parse_args()
    if options.list:
        _say("\n\n".join(f"{name}\n{_explained(name)}" for name in options.figures))
        return 0
    machine = table.machine()
    try:
        measured = asyncio.run(_measure(options.figures, QUICK if options.quick else FULL))
    except BenchError as error:
        _say(f"bench: {error}", stream=sys.stderr)
        return 1
    _say(table.render(measured, machine))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=main.__doc__)
    parser.add_argument(
        "figures",
        nargs="*",
        default=list(FIGURES),
        metavar="FIGURE",
        type=_known,
        help=f"a figure to measure (default: all): {', '.join(FIGURES)}",
    )
    parser.add_argument(
        "--quick", action="store_true", help="few repetitions: checks that the benchmark works"
    )
    parser.add_argument("--list", action="store_true", help="explain each figure and exit")
    return parser


def _known(name: str) -> str:
    if name not in FIGURES:
        raise argparse.ArgumentTypeError(f"no figure {name!r}; there are {', '.join(FIGURES)}")
    return name


def _explained(name: str) -> str:
    text = inspect.getdoc(FIGURES[name]) or ""
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())


async def _measure(names: Iterable[str], scale: Scale) -> list[tuple[str, list[Row]]]:
    measured = []
    with Workshop() as workshop:
        await workshop.compile()
        for name in names:
            _say(f"measuring {name} ...", stream=sys.stderr)
            measured.append((name, await FIGURES[name](workshop, scale)))
    return measured


def _say(text: str, stream: TextIO = sys.stdout) -> None:
    stream.write(f"{text}\n")
    stream.flush()


if __name__ == "__main__":
    sys.exit(main())
