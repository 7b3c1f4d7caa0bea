"""The table of `rdma-dp dry-run -o explain`: each selector of a resource against each HCA."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rdma_dp.inventory.hardware import Port
from rdma_dp.inventory.verdicts import Ineligible
from rdma_dp.render.dry_run import heading
from rdma_dp.sharing.pool import Pool
from rdma_dp.sharing.selection import Comparison, HcaVerdict, unset_selectors
from rdma_dp.text import grouped, in_lines, some

_YES, _NO = Text("✓", "green"), Text("✗", "red")
_HCAS_NAMED = 12  # in one explanation
_NAMES_WIDTH, _SELECTOR_WIDTH, _WANTED_WIDTH = 22, 22, 26  # columns


def dry_run(pools: Sequence[Pool]) -> RenderableType:
    """Each resource with its verdict on every HCA. HCAs with the same lines are grouped."""
    parts: list[RenderableType] = []
    for pool in in_lines(tuple(pools)):
        parts += [*([Text()] if parts else []), *_resource(pool)]
    return Group(*parts)


def _resource(pool: Pool) -> Iterator[RenderableType]:
    yield heading(pool)
    verdicts = pool.selection.verdicts
    if not verdicts:
        yield Text("  no RDMA device on this node", "red")
        return
    yield Padding(_table(verdicts), (0, 0, 0, 2))
    if not pool.resource.management:
        yield Padding(Text("containers get no umad and issm: management is false"), (0, 0, 0, 2))
    unset = ", ".join(unset_selectors(pool.resource.selector_sets))
    if unset:
        yield Padding(Text(f"not set: {unset}", "dim"), (0, 0, 0, 2))


Explanation = tuple[bool, Ineligible | None, tuple[Comparison, ...], tuple[Port, ...] | None]
"""Whether the HCA is chosen, why not, the comparison of each selector, and the ports that fit."""


def _table(verdicts: Sequence[HcaVerdict]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("HCA", overflow="fold", max_width=_NAMES_WIDTH)
    table.add_column("")
    table.add_column("SELECTOR", overflow="fold", max_width=_SELECTOR_WIDTH)
    table.add_column("WANTED", overflow="fold", max_width=_WANTED_WIDTH)
    table.add_column("FOUND", overflow="fold")
    for names, explanation in grouped((each.hca.name, _explained(each)) for each in verdicts):
        name = Text(some(names, _HCAS_NAMED), "green" if explanation[0] else "red")
        for row in _rows(explanation):
            table.add_row(name, *row)
            name = Text()
    return table


def _explained(verdict: HcaVerdict) -> Explanation:
    return verdict.chosen, verdict.hca.ineligible, verdict.comparisons, verdict.ports


def _rows(explanation: Explanation) -> Iterator[tuple[Text, ...]]:
    chosen, ineligible, comparisons, ports = explanation
    if ineligible is not None:
        yield _NO, Text("can be shared"), Text(), Text(ineligible.text, "red")
    for each in comparisons:
        yield _row(each)
    if chosen and ports is not None:
        numbers = ", ".join(str(port.number) for port in ports)
        yield _YES, Text("(ports that fit)", "dim"), Text(), Text(numbers, "green")
    if not comparisons and chosen:
        yield _YES, Text("(none)", "dim"), Text(), Text()


def _row(comparison: Comparison) -> tuple[Text, ...]:
    rejects = comparison.rules_out
    wanted = Text(comparison.wanted_words)
    if comparison.excludes:
        wanted = Text.assemble(("not ", "dim"), wanted)
    found = Text(comparison.found_words, "red" if rejects else "green")
    return _NO if rejects else _YES, Text(comparison.selector), wanted, found
