"""The node as a tree with a matrix, as a picture, and as a JSON document."""

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from rdma_dp import config
from rdma_dp.discovery import scan
from rdma_dp.discovery.pcie_topology import read_topology
from rdma_dp.host.files import Host
from rdma_dp.inventory.hardware import Inventory, PciFunction
from rdma_dp.inventory.topology import Gpu, Place, Topology
from rdma_dp.render import console, json_documents
from rdma_dp.render.topology import drawing, svg
from rdma_dp.render.topology.pcie_tree import View
from rdma_dp.sharing.selection import choices, select
from simulator.host import generate, sample_names
from tests.conftest import Fresh, Golden, Sample
from tests.makers import SYSTEM, hca
from tests.paths import CONFIGS
from tests.unit.doctor.ailing import ailing

drawn = pytest.mark.parametrize(
    "name", ["dgx-h100", "hgx", "gb200", "gb300", "sriov", "empty", "soft"]
)


def look(root: Path) -> View:
    host = Host(root)
    inventory = scan(host)
    return View(read_topology(host, inventory), inventory)


def plain(view: View) -> str:
    return console.plain(drawing.drawing(view))


picture = svg.drawing


@drawn
def test_the_drawings(name: str, sample: Sample, golden: Golden) -> None:
    golden(f"{name}.topo.txt", plain(look(sample(name))))


def test_a_root_port_is_no_switch(sample: Sample) -> None:
    """H6: two functions of one card have a root port in common, and no switch."""
    text = plain(look(sample("v100-phb")))
    assert "root port  0000:00:02.0" in text
    assert "switch" not in text
    assert "switch     0000:32:08.0  PCIe switch" in plain(look(sample("dcu")))


def test_the_picture_and_the_document(sample: Sample, golden: Golden) -> None:
    view = look(sample("hgx"))
    loaded = config.load(CONFIGS / "several-resources.yaml").config.config_list
    chosen = choices(select(view.inventory, resource) for resource in loaded)
    view = replace(view, chosen=chosen)
    golden("hgx.topo.svg", picture(view) + "\n")
    golden("hgx.topo.json", json.dumps(json_documents.topo(view), indent=2) + "\n")


@pytest.mark.parametrize("name", sample_names())
def test_every_sample_fits_a_hundred_columns_and_names_every_hca(name: str, sample: Sample) -> None:
    view = look(sample(name))
    drawing = plain(view)
    assert "\x1b" not in drawing
    assert all(len(line) <= 100 for line in drawing.splitlines())
    assert "None" not in drawing
    assert all(re.search(rf"─ {re.escape(h.name)}\b", drawing) for h in view.inventory.hcas)


@pytest.mark.parametrize("name", sample_names())
def test_every_sample_gives_a_complete_picture(name: str, sample: Sample) -> None:
    view = look(sample(name))
    drawing = picture(view)
    assert ElementTree.fromstring(drawing).tag == "{http://www.w3.org/2000/svg}svg"
    assert drawing == picture(look(sample(name)))
    assert "http" not in drawing.replace(
        "http://www.w3.org/2000/svg", ""
    )  # refers to no other file
    assert all(hca.name in drawing for hca in view.inventory.hcas)


def test_an_hca_is_shown_with_its_resources(sample: Sample) -> None:
    view = replace(look(sample("hgx")), chosen={"mlx5_3": ("rdma/a", "rdma/b")})
    (line,) = (line for line in plain(view).splitlines() if "─ mlx5_3" in line)
    assert line.endswith("rdma/a  rdma/b")
    assert ">rdma/a rdma/b<" in picture(view)


def test_names_and_tree_lines_have_different_colours(sample: Sample) -> None:
    buffer = io.StringIO()
    terminal = Console(file=buffer, force_terminal=True, color_system="standard", width=100)
    terminal.print(drawing.drawing(look(sample("hgx"))))
    assert "\x1b[2m│  ├─ \x1b[0m\x1b[1;36mmlx5_0\x1b[0m" in buffer.getvalue()
    assert "\x1b[32mPIX\x1b[0m mlx5_0, mlx5_1" in buffer.getvalue()


@pytest.mark.parametrize("vfs", [False, True])
def test_512_hcas_give_a_short_drawing(vfs: bool, fresh: Fresh) -> None:
    view = look(fresh(generate(512, vfs=vfs)).root)
    gpus = tuple(
        Gpu(f"GPU{n}", PciFunction(""), Place("", f"pciffff:{n}0", ("x",), n)) for n in range(2)
    )
    view = replace(view, topology=replace(view.topology, gpus=gpus))
    drawing = plain(view)
    assert len(drawing.splitlines()) < 100
    assert "more" in drawing
    matrix = [line for line in drawing.splitlines() if "NODE*" in line]
    assert len(matrix) == 2  # a line for the HCAs of each NUMA node
    assert len(picture(view)) < 60_000


def test_sixteen_gpus_take_two_blocks() -> None:
    gpus = tuple(
        Gpu(f"GPU{n}", PciFunction(f"{n}"), Place(f"{n}", "A", ("x",), 0)) for n in range(16)
    )
    topology = Topology(gpus, {"mlx5_0": (Place("h", "A", ("x",), 0),)})
    view = View(topology, Inventory((hca(0),)))
    assert [line.split() for line in plain(view).splitlines() if line.startswith("mlx5_0")] == [
        ["mlx5_0", *["PIX*"] * 10],
        ["mlx5_0", *["PIX*"] * 6],
    ]


LONG = "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition"


def lines_of(drawing: str, name: str) -> tuple[str, list[str]]:
    """The class of a device's box, and the lines of text in it."""
    for group in ElementTree.fromstring(drawing).iter("{http://www.w3.org/2000/svg}g"):
        _, shape, *texts = group
        lines = [text.text or "" for text in texts]
        if lines[0] == name:
            return shape.attrib["class"], lines
    raise AssertionError(f"no box of {name}")


def test_a_port_that_is_down_does_not_look_like_an_active_one(fresh: Fresh) -> None:
    """H15: by a word and the frame, so also in black and white."""
    down = "{0000:13:00.0: {hcas: {mlx5_0: {ports: {1: {state: DOWN}}}}}}"
    drawing = picture(look(fresh(ailing("hgx", f"functions: {down}")).root))
    assert lines_of(drawing, "mlx5_0")[0] == "down"
    assert "port 1 DOWN" in lines_of(drawing, "mlx5_0")[1]
    assert lines_of(drawing, "mlx5_1")[0] == "hca"
    (style,) = re.findall(r"^\.down .*$", drawing, re.MULTILINE)
    assert "stroke-dasharray" in style


def test_each_port_that_is_not_active_is_named(fresh: Fresh) -> None:
    """H15: of an HCA with an ACTIVE port too, whose frame stays; INIT is not ACTIVE either."""
    ports = "{1: {}, 2: {state: DOWN}, 3: {state: INIT}}"
    patch = f"functions: {{0000:13:00.0: {{hcas: {{mlx5_0: {{ports: {ports}}}}}}}}}"
    kind, lines = lines_of(picture(look(fresh(ailing("hgx", patch)).root)), "mlx5_0")
    assert kind == "hca"
    assert [line for line in lines if line.startswith("port ")] == ["port 2 DOWN", "port 3 INIT"]


def test_the_names_of_gpus_are_whole(fresh: Fresh) -> None:
    """H15: a long name takes several lines, and its box grows."""
    patch = f"functions: {{0000:15:00.0: {{model: {LONG}}}}}"
    _, lines = lines_of(picture(look(fresh(ailing("hgx", patch)).root)), "GPU0")
    assert LONG in " ".join(lines)
    assert "\u2026" not in "".join(lines)


def test_long_names_of_hcas_and_netdevs_are_whole() -> None:
    """H15: a name without a blank, in its box, in that of the GPU, and beside the matrix."""
    name = "a-name-of-an-hca-that-has-as-many-characters-as-a-name-can-have"
    gpu = Gpu("GPU0", PciFunction("g"), Place("g", "A", ("x",), 0))
    topology = Topology((gpu,), {name: (Place("h", "A", ("x",), 0),)})
    drawing = picture(View(topology, Inventory((hca(0, name=name),))))
    assert drawing.count(f">{name}<") == 3


# --- any name from the kernel or an administrator -----------------------------------------------

_texts = st.text(max_size=40) | st.sampled_from(("<&>\"'", "[red]eth", "\x00\x1b\ud800", "]]>"))


@settings(max_examples=60)
@given(_texts, _texts, _texts, st.none() | st.integers(0, 9))
def test_any_names_give_a_well_formed_picture(
    name: str, netdev: str, model: str, numa: int | None
) -> None:
    gpu = Gpu("GPU0", PciFunction(name, "10de"), Place(name, netdev, (model,), numa), model)
    one = hca(0, name=name, netdev=netdev)
    topology = Topology((gpu,), {name: (Place("a", netdev, (name, model), numa),)}, {name: None})
    view = View(topology, Inventory((one,), (), SYSTEM), {name: (model,)})
    ElementTree.fromstring(picture(view))
    plain(view)
