"""The PCIe roots that DRA publishes, as a section of `rdma-dp topo` with a config that uses DRA."""

import json
from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from rdma_dp.render.console import labelled_rows
from rdma_dp.render.topology.pcie_tree import View


def section(view: View) -> Iterator[RenderableType]:
    """Each root with its GPUs and HCAs, and overrides for GPUs without an HCA."""
    if view.dra is None:
        return
    overrides, roots = view.dra.overrides, view.dra.roots
    names: dict[str, list[Text]] = {}
    for gpu in view.topology.gpus:
        names.setdefault(gpu.place.host_bridge, []).append(Text(gpu.name, "bold magenta"))
    for device in roots.devices:
        root = device.root or "no PCIe root"
        names.setdefault(root, []).append(Text(device.name, "bold cyan"))
    lonely = {gpu.place.host_bridge for gpu in roots.lonely}
    rows = labelled_rows()
    for root, found in names.items():
        alone = [Text("no HCA", "red")] if root in lonely else []
        rows.add_row(f"  {root}", Text("  ").join([*found, *alone]))
    yield Text()
    yield Text("PCIe roots for DRA", "bold")
    yield rows
    if advised := roots.advised:
        yield Text("GPUs without an HCA on their root: add to the config, if these are near them")
        written = json.dumps({"dra": {"pcieRoots": {**overrides, **advised}}}, indent=2)
        yield Text(written)
