"""The figures, one per file.

A figure is an async function. It takes a Workshop (hosts and daemons) and a Scale (the number of
repetitions), and returns rows of the table. Its docstring explains what it measures and how to read
it; `python -m bench --list` prints it. To add a figure, write a file and add it here.
"""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from bench.figures.allocate import allocate
from bench.figures.burst import burst
from bench.figures.change import change
from bench.figures.crowd import crowd
from bench.figures.idle import idle
from bench.figures.imports import imports
from bench.figures.listing import listing
from bench.figures.memory import memory
from bench.figures.per_hca import per_hca
from bench.figures.planning import planning
from bench.figures.prefer import prefer
from bench.figures.prepare import prepare
from bench.figures.probe import probe
from bench.figures.publish import dra
from bench.figures.restart import restart
from bench.figures.scan import scan
from bench.figures.scrape import scrape
from bench.figures.specs import specs
from bench.figures.start import start
from bench.figures.stop import stop
from bench.scale import Scale
from bench.table import Row
from bench.workshop import Workshop

Figure = Callable[[Workshop, Scale], Awaitable[list[Row]]]

FIGURES: Mapping[str, Figure] = MappingProxyType(
    {
        figure.__name__: figure
        for figure in (
            *(scan, imports, start, allocate, planning, memory),
            *(listing, per_hca, prefer, specs),
            *(change, restart, stop, burst, crowd, idle, scrape, probe, prepare, dra),
        )
    }
)
