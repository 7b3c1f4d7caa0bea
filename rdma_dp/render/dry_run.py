"""The table of `rdma-dp dry-run`."""

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rdma_dp.config import Preference, Via
from rdma_dp.formats.slot_ids import slot_id
from rdma_dp.inventory.hardware import Hca, Inventory, natural_key
from rdma_dp.inventory.verdicts import Ineligible
from rdma_dp.render.console import labelled_rows
from rdma_dp.render.discover import NAMES_WIDTH, ports_text
from rdma_dp.sharing.advice import node_warnings, pool_warnings, steps
from rdma_dp.sharing.allocation import example
from rdma_dp.sharing.pool import Pool
from rdma_dp.sharing.selection import Selection
from rdma_dp.specs.cdi import delivered
from rdma_dp.text import grouped, in_lines


def dry_run(
    inventory: Inventory, pools: Sequence[Pool], config_warnings: Sequence[str]
) -> RenderableType:
    """What the daemon would do with this config on this node, with warnings and next steps."""
    inventory, pools, config_warnings = in_lines((inventory, tuple(pools), tuple(config_warnings)))
    of_all = _reason_of_all(inventory)
    parts: list[RenderableType] = []
    if of_all is not None:
        rows = labelled_rows()
        rows.add_row(Text("all HCAs", "red"), of_all.text)
        parts.append(rows)
    for pool in pools:
        parts += [*([Text()] if parts else []), *_resource(pool, inventory, of_all)]
    selections = [pool.selection for pool in pools]
    warnings = (*config_warnings, *node_warnings(inventory, selections))
    if warnings:
        rows = labelled_rows()
        for warning in warnings:
            rows.add_row(Text("warning", "yellow"), warning)
        parts += [Text(), rows]
    return Group(*parts)


def _reason_of_all(inventory: Inventory) -> Ineligible | None:
    """The reason for which no HCA of the node can be shared; None if there is no common one."""
    (reason, *others) = {hca.ineligible for hca in inventory.hcas} or {None}
    return None if others else reason


def _resource(
    pool: Pool, inventory: Inventory, of_all: Ineligible | None
) -> Iterator[RenderableType]:
    yield heading(pool)
    rows = labelled_rows()
    if pool.resource.via is Via.DRA:
        rows.add_row("offered", "by DRA, not in kubelet's list: `rdma-dp slices` shows the devices")
    if pool.hcas:
        rows.add_row("HCAs", _slot_groups(pool) if pool.resource.per_hca else _hcas(pool))
        rows.add_row("container", _granted(pool))
        if settings := list(_settings(pool)):
            rows.add_row("slots", "; ".join(settings))
    if pool.selection.rejected:
        rows.add_row("not chosen", _rejections(pool.selection, of_all))
    for warning in pool_warnings(pool, inventory.system):
        rows.add_row(Text("warning", "yellow"), warning)
    for step in steps(pool.selection, inventory):
        shown = replace(step, reason="see above") if of_all and step.code == of_all.code else step
        rows.add_row(Text("next", "bold"), Text(str(shown), "bold"))
    yield Padding(rows, (0, 0, 0, 2))


def heading(pool: Pool) -> Text:
    """The resource's name and the number of its slots."""
    colour = "green" if pool.healthy else "red"
    return Text.assemble((pool.resource.full_name, "bold"), "  ", (_slots(pool), colour))


def _slots(pool: Pool) -> str:
    text = f"{pool.listed} slots"
    if pool.resource.per_hca and pool.hcas:
        text += f", {pool.slots_each} per HCA"
    if pool.healthy != pool.listed:
        text += f", {pool.healthy} healthy"
    return text


_NO_OTHER = "no other reason"

_PREFERRED = {
    Preference.SPREAD: "several come from as many HCAs as possible",
    Preference.PACK: "several come from as few HCAs as possible",
}


def _settings(pool: Pool) -> Iterator[str]:
    """The config's settings for slots that the Go plugin does not have."""
    resource = pool.resource
    if resource.per_hca:
        yield _PREFERRED[resource.preference]
    elif resource.tells_topology:
        nodes = {group.numa_node for group in pool.in_use}
        reported = [f"on NUMA node {node}" for node in nodes if node is not None]
        yield reported[0] if reported else "the HCAs have no NUMA node in common"
    if resource.per_hca and not resource.tells_topology:
        yield "without NUMA node"
    if resource.per_hca and resource.device_info:
        yield "with device-info files"


def _hcas(pool: Pool) -> Text:
    return Text(_names(pool, pool.hcas), "green")


def _names(pool: Pool, hcas: Sequence[Hca]) -> str:
    """The names of HCAs, with the ports that the selectors fit: "mlx4_0 port 2"."""
    ports = pool.selection.ports
    return ", ".join(f"{hca.name}{ports_text(ports.get(hca.name, ()))}" for hca in hcas)


def _slot_groups(pool: Pool) -> Table:
    """One line per slot group: its HCAs, slot ids, NUMA node, and whether it is healthy."""
    rows = [
        (
            Text(_names(pool, group.hcas), "green" if group.healthy else "red"),
            f"{slot_id(group.key, 0)}..{max(group.active - 1, 0)}",
            "" if group.numa_node is None else f"NUMA {group.numa_node}",
            "" if group.healthy else "not healthy",
        )
        for group in pool.slot_groups.values()
    ]
    table = Table.grid(padding=(0, 2, 0, 0))
    for column in zip(*rows, strict=True):
        table.add_column(min_width=min(max(map(len, column)), NAMES_WIDTH), overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def _granted(pool: Pool) -> str:
    """What a container with one slot gets: devices and environment variables."""
    grant = example(pool)
    delivery = delivered(grant, pool.cdi)
    lines = [f"CDI {name}" for name in delivery.cdi_devices]
    lines += [f"annotation {key}: {value}" for key, value in delivery.annotations.items()]
    for directory, paths in groupby(delivery.devices, posixpath.dirname):
        nodes = sorted(map(posixpath.basename, paths), key=natural_key)
        lines.append(f"{directory}: {' '.join(nodes)}")
    if not pool.resource.management:
        lines.append("without umad and issm: management is false")
    return "\n".join([*lines, *(f"{key}={value}" for key, value in grant.envs.items())])


def _rejections(selection: Selection, of_all: Ineligible | None) -> Table:
    """The HCAs that were not chosen, and why; what all of them have in common stands once."""
    table = labelled_rows()
    table.columns[0].no_wrap = False
    table.columns[0].max_width = NAMES_WIDTH
    groups = grouped(
        (each.hca.name, each.reasons if of_all is None else tuple(map(str, each.mismatches)))
        for each in selection.rejected
    )
    common = set[str]()
    if len(groups) > 1:
        common = set.intersection(*(set(reasons) for _, reasons in groups))
    if common:
        table.add_row("all of these", "\n".join(line for line in groups[0][1] if line in common))
    for names, reasons in groups:
        own = [line for line in reasons if line not in common]
        table.add_row(", ".join(names), "\n".join(own) or _NO_OTHER)
    return table
