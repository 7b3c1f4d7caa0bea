"""The PCIe roots that DRA publishes, as a section of `rdma-dp topo` with a config that uses DRA."""

import json
from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from rdma_dp.dra.pcie_roots import advised_overrides, gpus_without_hca, pcie_root
from rdma_dp.render.console import labelled_rows
from rdma_dp.render.topology.pcie_tree import View


def section(view: View) -> Iterator[RenderableType]:
    """Each root with its GPUs and HCAs, and overrides for GPUs without an HCA."""
    if view.dra is None:
        return
    overrides, topology = view.dra.overrides, view.topology
    hcas = [hca for hca in view.inventory.hcas if hca.name in view.dra.hcas]
    names: dict[str, list[Text]] = {}
    for gpu in topology.gpus:
        names.setdefault(gpu.place.host_bridge, []).append(Text(gpu.name, "bold magenta"))
    for hca in hcas:
        root = pcie_root(hca, topology, overrides) or "no PCIe root"
        names.setdefault(root, []).append(Text(hca.name, "bold cyan"))
    lonely = {gpu.place.host_bridge for gpu in gpus_without_hca(topology, hcas, overrides)}
    rows = labelled_rows()
    for root, found in names.items():
        alone = [Text("no HCA", "red")] if root in lonely else []
        rows.add_row(f"  {root}", Text("  ").join([*found, *alone]))
    yield Text()
    yield Text("PCIe roots for DRA", "bold")
    yield rows
    if advised := advised_overrides(topology, hcas, overrides):
        yield Text("GPUs without an HCA on their root: add to the config, if these are near them")
        written = json.dumps({"dra": {"pcieRoots": {**overrides, **advised}}}, indent=2)
        yield Text(written)
