"""The table of `rdma-dp slices`."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rdma_dp.dra.devices import NUMA_NODE, PCIE_ROOT, DraDevice
from rdma_dp.dra.slices import Document
from rdma_dp.render.console import or_dash, plain_table
from rdma_dp.text import NAMES_IN_LINE, counted, in_lines, some

_MOST_ROWS = 16  # devices of one slice; JSON and YAML have all


def table(slices: Sequence[Document], devices: Sequence[DraDevice]) -> RenderableType:
    """A heading for each slice, and a row for each device."""
    known = {device.name: in_lines(device) for device in devices}
    return Group(*(part for each in slices for part in _slice(each, known)))


def _slice(written: Document, known: dict[str, DraDevice]) -> Iterator[RenderableType]:
    devices, name = written["spec"]["devices"], written["metadata"]["generateName"]
    yield Text.assemble((f"{name}*", "bold"), f"  {counted(len(devices), 'device')}")
    rows = plain_table("DEVICE", "RESOURCE", "HCAS", "CLAIMS", "PCIE ROOT", "NUMA", "TAINT")
    for each in devices[:_MOST_ROWS]:
        taints = [f"{taint['value']}:{taint['effect']}" for taint in each.get("taints", ())]
        _add(rows, known[each["name"]], taints)
    if devices:
        yield rows
    if len(devices) > _MOST_ROWS:
        yield Text(f"and {len(devices) - _MOST_ROWS} more: --output yaml shows all", "dim")


def _add(rows: Table, device: DraDevice, taints: Sequence[str]) -> None:
    node = device.attributes.get(NUMA_NODE)
    rows.add_row(
        device.name,
        device.resource,
        some(device.hcas, NAMES_IN_LINE),
        "1" if device.slots is None else str(device.slots),
        or_dash(str(device.attributes.get(PCIE_ROOT, ""))),
        or_dash("" if node is None else str(node)),
        Text(or_dash(", ".join(taints)), "red" if taints else ""),
    )
