"""GPUDirect for each pair of a GPU and an HCA: one cause is planted, and one cause is found."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rdma_dp.config.loading import find_config
from rdma_dp.doctor.catalogue import chosen
from rdma_dp.doctor.check import Finding, Verdict
from rdma_dp.doctor.checks.gpudirect import CHECKS
from rdma_dp.doctor.examination import Result, examine
from rdma_dp.doctor.facts.gpu_memory import GpuFacts, HcaFacts, NodeFacts
from rdma_dp.doctor.facts.gpu_reach import judge
from rdma_dp.doctor.facts.kernel_config import (
    CONFIG_FILES,
    MOVE_NOTIFY,
    ON_DEMAND_PAGING,
    P2PDMA,
    Kernel,
)
from rdma_dp.inventory.pci_ids import AMD, HABANA, HYGON, INTEL, NVIDIA
from rdma_dp.node.source import open_source
from rdma_dp.node.view import view_node
from simulator.host import Manifest
from tests.conftest import Fresh, Sample
from tests.paths import CONFIGS
from tests.unit.doctor.ailing import ailing, seen
from tests.unit.doctor.twins import told

NO_CONFIG = CONFIGS / "missing.yaml"


def found(name: str, sample: Sample) -> Result:
    return seen("gpu-peer-memory", sample(name), NO_CONFIG)


# --- the reports --------------------------------------------------------------------------------


def test_a_geforce_has_no_gpudirect(sample: Sample) -> None:
    """H5: nvidia_peermem is loaded, but the registration of the memory fails."""
    why = "NVIDIA GeForce RTX 4090 has no GPUDirect RDMA: HCAs cannot register its memory"
    assert told(found("geforce", sample)) == [f"warn GPU0: {why}", f"warn GPU1: {why}"]


def test_mlx4_has_no_dmabuf(sample: Sample, fresh: Fresh) -> None:
    """H4: the open kernel module and a new kernel are of no use to it; peer memory is."""
    why = "mlx4_ib cannot register DMA-BUF memory, and nvidia_peermem is not loaded"
    result = found("connectx3-gpu", sample)
    assert told(result) == [f"warn mlx4_0: {why}"]
    assert not any("modprobe" in step for step in result.remedy)
    loaded = fresh(ailing("connectx3-gpu", "loaded: [nvidia_peermem]")).root
    assert seen("gpu-peer-memory", loaded, NO_CONFIG).verdict is Verdict.OK


def test_efa_has_a_peer_memory_of_its_own(sample: Sample, fresh: Fresh) -> None:
    """H3: EFA does not use nvidia_peermem, and needs efa_nv_peermem or DMA-BUF."""
    assert told(found("efa-gpu", sample)) == [
        "ok : peer memory of the HCA's driver efa (device/p2p: NVIDIA peermem)"
    ]
    no_p2p = "{files: {p2p: ''}}"
    bare = f"functions: {{0000:10:1b.0: {no_p2p}, 0000:90:1b.0: {no_p2p}}}"
    loaded = seen("gpu-peer-memory", fresh(ailing("efa-gpu", bare)).root, NO_CONFIG)
    assert told(loaded) == ["ok : efa_nv_peermem is loaded"]
    kernel = "kernel: 6.1.119-129.201.amzn2023.x86_64"
    useless = fresh(ailing("efa-gpu", f"{bare}\nloaded: [nvidia_peermem]\n{kernel}")).root
    result = seen("gpu-peer-memory", useless, NO_CONFIG)
    why = "efa_nv_peermem is not loaded, and no DMA-BUF: the kernel module is the proprietary one"
    assert told(result) == [f"warn : {why}"]
    assert result.remedy == ("install NVIDIA's open kernel module",)
    opened = fresh(ailing("efa-gpu", f"{bare}\nloaded: []\n{kernel}\nnvidia: open")).root
    assert seen("gpu-peer-memory", opened, NO_CONFIG).verdict is Verdict.OK


def test_old_versions_of_nccl_look_elsewhere(sample: Sample, fresh: Fresh) -> None:
    """H12: nvidia_peermem without the directory that NCCL up to 2.22.3 looks for."""
    (finding,) = found("v100-phb", sample).findings
    assert finding.verdict is Verdict.WARN
    assert finding.evidence.startswith("nvidia_peermem is loaded, but NCCL up to 2.22.3 ")
    assert "/sys/kernel/mm/memory_peers/nv_mem" in finding.evidence
    assert finding.remedy == ("use NCCL 2.23 or newer in the pods",)
    files = "files: {sys/kernel/mm/memory_peers/nv_mem/version: '1.3'}"
    registered = fresh(ailing("v100-phb", files)).root
    result = seen("gpu-peer-memory", registered, NO_CONFIG)
    assert told(result) == ["ok : nvidia_peermem is loaded"]
    # With DMA-BUF, those versions of NCCL need no module.
    both = fresh(ailing("hgx", "loaded: [nvidia_peermem]")).root
    assert told(seen("gpu-peer-memory", both)) == ["ok : nvidia_peermem is loaded"]


RELEASE = "6.8.0-60-generic"
WITHOUT = f"files: {{lib/modules/{RELEASE}/config: ''}}"
MOVED = "0 T dma_buf_move_notify\n"
SYMBOLS = f"0 T pci_p2pdma_distance_many\n{MOVED}"


@pytest.mark.parametrize("pattern", CONFIG_FILES)
@pytest.mark.parametrize(
    ("config", "verdict"),
    [
        ("CONFIG_PCI_P2PDMA=y\nCONFIG_DMABUF_MOVE_NOTIFY=y\n", Verdict.OK),
        ("# CONFIG_PCI_P2PDMA is not set\nCONFIG_DMABUF_MOVE_NOTIFY=y\n", Verdict.WARN),
        ("CONFIG_PCI_P2PDMA=y\n# CONFIG_DMABUF_MOVE_NOTIFY is not set\n", Verdict.WARN),
        ("CONFIG_DMABUF_MOVE_NOTIFY=y\n", Verdict.WARN),
        ("CONFIG_PCI_P2PDMA=y\nCONFIG_PCI_P2PDMA_CORE=y\n", Verdict.UNKNOWN),
        ("CONFIG_PCI=y\n", Verdict.UNKNOWN),
    ],
)
def test_the_options_of_a_kernel(pattern: str, config: str, verdict: Verdict, fresh: Fresh) -> None:
    """H13: every file that has the options of the running kernel is read."""
    path = pattern.format(RELEASE)
    host = fresh(ailing("mi300", WITHOUT))
    file = host.root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(config)
    result = seen("gpu-peer-memory", host.root, NO_CONFIG)
    assert result.verdict is verdict
    assert f"/{path}" in result.findings[0].evidence or config == "CONFIG_PCI=y\n"


def test_the_symbols_of_a_kernel(fresh: Fresh) -> None:
    """H13: without such a file, the functions of the kernel show its options."""
    none = seen("gpu-peer-memory", fresh(ailing("mi300", WITHOUT)).root, NO_CONFIG)
    assert none.verdict is Verdict.UNKNOWN
    assert "/proc/kallsyms" in none.findings[0].evidence
    for symbols, verdict in ((SYMBOLS, Verdict.OK), (MOVED, Verdict.WARN)):
        host = fresh(ailing("mi300", WITHOUT))
        (host.root / "proc/kallsyms").write_text(symbols)
        assert seen("gpu-peer-memory", host.root, NO_CONFIG).verdict is verdict


def test_another_maker_is_not_judged(sample: Sample) -> None:
    """H8: it counts for the distances; whether its driver shares memory is not known."""
    assert found("dcu", sample).verdict is Verdict.UNKNOWN
    assert seen("gpu-affinity", sample("dcu"), NO_CONFIG).verdict is Verdict.OK


def test_what_nccl_does_across_the_cpu(sample: Sample, fresh: Fresh) -> None:
    """H6: PHB is farther than NCCL goes by default."""
    result = seen("gpu-affinity", sample("v100-phb"), NO_CONFIG)
    assert [each.subject for each in result.findings] == ["GPU0", "GPU1"]
    assert all("NCCL uses GPUDirect RDMA up to PXB" in each.evidence for each in result.findings)
    assert any("NCCL_NET_GDR_LEVEL=PHB" in step for step in result.remedy)
    # What goes through host memory anyway is no slower there.
    copied = fresh(ailing("v100-phb", "loaded: []"))
    assert seen("gpu-affinity", copied.root, NO_CONFIG).verdict is Verdict.OK


def test_without_a_config_another_hca_is_no_reason(fresh: Fresh) -> None:
    qedr0 = "{qedr0: {node_guid: '0200:00ff:fe00:0e10'}}"
    other = f"0000:0f:00.0: {{id: '1077:8070', driver: qede, numa: 0, hcas: {qedr0}}}"
    host = fresh(ailing("hgx", f"functions: {{{other}}}")).root
    assert seen("gpu-peer-memory", host, NO_CONFIG).verdict is Verdict.OK


# --- one pair -----------------------------------------------------------------------------------

NEW = Kernel("6.18.1", {P2PDMA: True, MOVE_NOTIFY: True}, "/proc/config.gz")
NODE = NodeFacts(NEW, frozenset({"nvidia"}), nvidia_open=True)
H100 = GpuFacts("GPU0", NVIDIA, "nvidia", "NVIDIA H100 80GB HBM3", "2330")
MI300 = GpuFacts("GPU0", AMD, "amdgpu")
MLX5 = HcaFacts("mlx5_0", "mlx5_ib")


def of(gpu: GpuFacts = H100, hca: HcaFacts = MLX5, node: NodeFacts = NODE) -> str:
    finding = judge(gpu, hca, node)
    return f"{finding.verdict} {finding.evidence}"


def on(release: str | None, **facts: Any) -> NodeFacts:
    return replace(NODE, kernel=replace(NEW, release=release, **facts))


@pytest.mark.parametrize("module", ["mlx5_ib", "efa", "irdma", "bnxt_re", "mana_ib", "ionic_rdma"])
@pytest.mark.parametrize("gpu", [H100, MI300])
def test_modules_that_register_dmabuf(module: str, gpu: GpuFacts) -> None:
    assert judge(gpu, HcaFacts("x", module), NODE).verdict is Verdict.OK


@pytest.mark.parametrize("module", ["mlx4_ib", "qedr", "iw_cxgb4", "ocrdma", "ib_qib"])
def test_modules_that_do_not(module: str) -> None:
    finding = judge(H100, HcaFacts("x", module), NODE)
    assert (finding.verdict, finding.subject) == (Verdict.WARN, "x")
    assert finding.evidence.startswith(f"{module} cannot register DMA-BUF memory")


@pytest.mark.parametrize("module", ["hfi1", "hns_roce_hw_v2", ""])
def test_a_module_that_is_not_known_is_not_judged(module: str) -> None:
    assert of(hca=HcaFacts("x", module)).startswith("unknown ")


def test_a_module_of_an_older_kernel() -> None:
    irdma = HcaFacts("irdma0", "irdma")
    assert of(hca=irdma, node=on("5.15.0")).startswith("unknown whether irdma of Linux 5.15.0 ")
    listed = on("5.15.0", dmabuf_modules=frozenset({"irdma"}))
    assert of(hca=irdma, node=listed) == "ok DMA-BUF: open kernel module, Linux 5.15.0"
    vendors = replace(irdma, is_vendors=True)
    assert of(hca=vendors, node=on("5.15.0")).startswith("ok ")


@pytest.mark.parametrize(
    ("release", "verdict"),
    [
        ("5.11.22", "warn"),
        ("4.18.0-553.el8_10.x86_64", "unknown"),
        ("5.14.0-503.el9.x86_64", "ok"),
        ("strange", "unknown"),
        (None, "unknown"),
    ],
)
def test_releases(release: str | None, verdict: str) -> None:
    assert of(node=on(release)).split()[0] == verdict


def test_the_symbols_show_a_backport() -> None:
    node = on("4.18.0-553.el8_10.x86_64", symbols=frozenset({"ib_umem_dmabuf_get"}))
    known = replace(node, kernel=replace(node.kernel, dmabuf_modules=frozenset({"mlx5_ib"})))
    assert of(node=known).startswith("ok ")


def test_a_model_that_is_not_known_is_not_ok() -> None:
    assert of(replace(H100, model=None)).startswith("unknown its model is not known")


@pytest.mark.parametrize("model", ["NVIDIA GB10", "NVIDIA TITAN RTX", "GeForce GTX 1080 Ti"])
def test_models_without_gpudirect(model: str) -> None:
    assert of(replace(H100, model=model)).startswith(f"warn {model} has no GPUDirect RDMA")


@pytest.mark.parametrize("model", ["NVIDIA RTX A6000", "Quadro RTX 6000", "NVIDIA L4", "Tesla T4"])
def test_models_with_gpudirect(model: str) -> None:
    assert of(replace(H100, model=model)).startswith("ok ")


@pytest.mark.parametrize(
    ("model", "mib", "verdict"),
    [
        ("NVIDIA L40S", 256, "warn"),
        ("NVIDIA L40S", 65536, "ok"),
        ("NVIDIA GB200", 256, "ok"),
    ],
)
def test_the_window_to_the_memory(model: str, mib: int, verdict: str) -> None:
    assert of(replace(H100, model=model, window=mib << 20)).split()[0] == verdict


BARS = (
    "0x0 0x0 0x0\n0x38000000000 0x3800fffffff 0x14220c\n",
    "0xa0000000 0xa0ffffff 0x40200\n0x38000000000 0x3800fffffff 0x14220c\n0x0 0x0 0x0\n",
    "0x22042000000 0x22042ffffff 0x14220c\n0x0 0x0 0x0\n0x200 0x100001ff 0x14220c\n",
)


@pytest.mark.parametrize(("bars", "small"), [*((bars, True) for bars in BARS), ("?", False)])
def test_the_largest_bar_is_the_window(bars: str, small: bool, fresh: Fresh) -> None:
    files = json.dumps({"functions": {GPU_ADDRESS: {"files": {"resource": bars}}}})
    host = fresh(ailing("dgx-b200", files))
    assert (seen("gpu-peer-memory", host.root).verdict is Verdict.WARN) is small


def test_a_gpu_without_an_open_module() -> None:
    """Advice names what exists for the device: the open module does not drive a V100."""
    v100 = replace(H100, model="Tesla V100-SXM2-16GB", device="1db1")
    node = replace(NODE, nvidia_open=False)
    assert judge(v100, MLX5, node).remedy == ("modprobe nvidia-peermem",)
    assert judge(v100, HcaFacts("x", "irdma"), node).remedy == ()
    assert judge(H100, HcaFacts("x", "irdma"), node).remedy == (
        "install NVIDIA's open kernel module",
    )


EFA = HcaFacts("rdmap16s27", "efa")
OPEN = "install NVIDIA's open kernel module"
NEWER = "boot Linux 5.16 or newer"
BY_EFA = "or modprobe efa_nv_peermem in place of a newer Linux: AWS's EFA installer has it"


@pytest.mark.parametrize(
    ("hca", "release", "is_open", "remedy"),
    [
        (EFA, "5.10.226-214.880.amzn2.x86_64", False, (f"{OPEN} and {NEWER}", BY_EFA)),
        (EFA, "5.10.226-214.880.amzn2.x86_64", True, (NEWER, BY_EFA)),
        (EFA, "5.15.0-1084-aws", False, (f"{OPEN} and {NEWER}", BY_EFA)),
        (EFA, "5.14.0-503.el9.x86_64", False, (OPEN,)),
        (EFA, "6.1.119", False, (OPEN,)),
        (replace(EFA, is_vendors=True), "5.15.0-1084-aws", False, (OPEN,)),
        (HcaFacts("x", "irdma"), "5.4.0", True, ("boot Linux 6.3 or newer",)),
        (HcaFacts("x", "bnxt_re"), "5.4.0", False, (f"{OPEN} and boot Linux 6.6 or newer",)),
    ],
)
def test_everything_that_dmabuf_needs_is_advised(
    hca: HcaFacts, release: str, is_open: bool, remedy: tuple[str, ...]
) -> None:
    """H3: the newest of the versions that are needed, the open module, and EFA's own module."""
    node = replace(on(release), nvidia_open=is_open)
    found = judge(H100, hca, node)
    assert (found.verdict, found.remedy) == (Verdict.WARN, remedy)


def test_another_maker_needs_the_linux_of_the_hcas_driver() -> None:
    """H3: the version is that of the HCA's driver for each GPU."""
    assert judge(MI300, HcaFacts("x", "bnxt_re"), on("5.4.0")).remedy == (
        "boot Linux 6.6 or newer",
    )


@pytest.mark.parametrize("release", ["5.10.226", "6.1.119"])
def test_a_gpu_before_turing_has_no_peer_memory_of_efa(release: str) -> None:
    """H3: efa_nv_peermem needs the open module too; no newer Linux is advised."""
    v100 = replace(H100, model="Tesla V100-SXM2-16GB", device="1db1")
    found = judge(v100, EFA, replace(on(release), nvidia_open=False))
    assert found.evidence == (
        "efa_nv_peermem is not loaded, and no DMA-BUF: the kernel module is the proprietary one,"
        " and the open one needs a GPU of Turing or newer, as does efa_nv_peermem"
    )
    assert found.remedy == ()


def test_a_module_that_cannot_be_loaded_is_not_advised() -> None:
    """The RDMA core of kernel.org has no interface for nvidia_peermem: modprobe fails."""
    none = frozenset({"dma_buf_move_notify"})
    node = replace(on("6.8.0", symbols=none), nvidia_open=False)
    first, second = judge(H100, MLX5, node).remedy
    assert first == "install NVIDIA's open kernel module"
    assert second.startswith("or install DOCA-OFED")
    peers = none | {"ib_register_peer_memory_client"}
    there = replace(on("6.8.0", symbols=peers), nvidia_open=False)
    assert judge(H100, MLX5, there).remedy == ("modprobe nvidia-peermem",)


def test_nvidias_module_is_not_advised_for_other_gpus() -> None:
    node = on("6.18.1", options={**NEW.options, ON_DEMAND_PAGING: False})
    assert of(MI300, node=node).startswith("warn no DMA-BUF: CONFIG_INFINIBAND_ON_DEMAND_PAGING ")
    assert "nvidia" not in " ".join(judge(MI300, MLX5, node).remedy)


def test_peer_memory_that_an_hca_is_not_known_to_use() -> None:
    loaded = replace(NODE, nvidia_open=False, loaded=frozenset({"nvidia", "nvidia_peermem"}))
    assert of(hca=HcaFacts("x", "bnxt_re"), node=loaded).startswith("unknown nvidia_peermem is ")
    assert of(hca=HcaFacts("x", "qedr"), node=loaded).startswith("warn qedr ")


def test_other_makers() -> None:
    gaudi = GpuFacts("GPU0", HABANA, "habanalabs")
    assert of(gaudi).startswith("ok DMA-BUF: habanalabs")
    assert of(gaudi, node=on("6.8.0", options={P2PDMA: False})).startswith("warn habanalabs ")
    assert of(GpuFacts("GPU0", INTEL, None)).startswith("unknown no driver is shown")
    dcu = GpuFacts("GPU0", HYGON, "hydcu")
    assert of(dcu).startswith("unknown whether its driver hydcu")
    assert of(dcu, node=replace(NODE, peers=frozenset({"hydcu"}))) == (
        "ok hydcu is registered as peer memory"
    )


# --- one cause ----------------------------------------------------------------------------------


class Cause(NamedTuple):
    """`patch` is laid over the manifest; `check` reports `words`. `fits` says for which pairs."""

    check: str
    words: str
    patch: dict[str, Any]
    gpus: tuple[str, ...] = ("nvidia", "amd")
    hcas: tuple[str, ...] = ()


GPU_ADDRESS, HCA_ADDRESS = "0000:1b:00.0", "0000:18:00.0"
HCAS: dict[str, dict[str, Any]] = {
    "mlx5": {"id": "15b3:1021"},
    "efa": {"id": "1d0f:efa2"},
    "bnxt": {"id": "14e4:1750"},
    "irdma": {"id": "8086:1592"},
    "mana": {"id": "1414:00ba"},
    "ionic": {"id": "1dd8:1002", "driver": "ionic"},
}
GPUS: dict[str, dict[str, Any]] = {
    "nvidia": {"id": "10de:2330", "class": "0302", "driver": "nvidia"},
    "amd": {"id": "1002:74a1", "class": "1200", "driver": "amdgpu"},
}
MODELS = ("NVIDIA H100 80GB HBM3", "NVIDIA A100-SXM4-40GB", "NVIDIA L40S", "NVIDIA RTX A6000")
CONFIG = (
    "CONFIG_PCI_P2PDMA={}\nCONFIG_DMABUF_MOVE_NOTIFY=y\nCONFIG_INFINIBAND_ON_DEMAND_PAGING={}\n"
)
BAR1 = "0x0 0x0 0x0\n0x38000000000 0x3800fffffff 0x14220c\n"


def of_gpu(**fields: Any) -> dict[str, Any]:
    return {"functions": {GPU_ADDRESS: fields}}


CAUSES = {
    "nothing": Cause("", "", {}),
    "model": Cause(
        "gpu-peer-memory",
        "has no GPUDirect RDMA",
        of_gpu(model="NVIDIA GeForce RTX 5090"),
        ("nvidia",),
    ),
    "window": Cause(
        "gpu-peer-memory", "only 256 MiB", of_gpu(files={"resource": BAR1}), ("nvidia",)
    ),
    "vram": Cause(
        "gpu-peer-memory",
        "only 256 MiB of its 1024 MiB",
        of_gpu(files={"mem_info_vis_vram_total": str(2**28), "mem_info_vram_total": str(2**30)}),
        ("amd",),
    ),
    "driver": Cause(
        "gpu-peer-memory", "nvidia is not loaded", {"not_loaded": ["nvidia"]}, ("nvidia",)
    ),
    "nouveau": Cause(
        "gpu-peer-memory", "nouveau shares no memory", of_gpu(driver="nouveau"), ("nvidia",)
    ),
    "hca": Cause(
        "gpu-peer-memory",
        "cannot register DMA-BUF memory",
        {"functions": {HCA_ADDRESS: {"id": "1077:8070", "driver": "qede"}}},
    ),
    "module": Cause(
        "gpu-peer-memory", "the proprietary one", {"nvidia": "proprietary"}, ("nvidia",)
    ),
    "kernel": Cause("gpu-peer-memory", "Linux 5.4.0", {"kernel": "5.4.0"}),
    "options": Cause("gpu-peer-memory", "CONFIG_PCI_P2PDMA is not set", {"p2pdma": "n"}, ("amd",)),
    "paging": Cause(
        "gpu-peer-memory",
        "CONFIG_INFINIBAND_ON_DEMAND_PAGING is not set",
        {"paging": "n"},
        hcas=("mlx5",),
    ),
    "distance": Cause(
        "gpu-affinity",
        "nearer than PHB",
        of_gpu(bridges=["0000:16:02.0"]),
        ("nvidia",),
    ),
    "iommu": Cause("gpu-iommu", "translates", {"iommu": "DMA"}),
    "acs": Cause("gpu-acs", "redirects", {"acs": "001d"}),
}


@st.composite
def planted(draw: st.DrawFn) -> tuple[Manifest, Cause]:
    """A host with a pair for which nothing is wrong but the cause."""
    cause = CAUSES[draw(st.sampled_from(sorted(CAUSES)))]
    gpu = draw(st.sampled_from(cause.gpus))
    hca = draw(st.sampled_from(cause.hcas or tuple(HCAS)))
    path = draw(st.sampled_from([each for each in CONFIG_FILES if each != "proc/config.gz"]))
    release = draw(st.sampled_from(["6.18.0-7-generic", "6.19.2", "7.0.1-1.el10.x86_64"]))
    above = ["0000:16:01.0", "0000:17:00.0"]
    function = {
        "class": "0200",
        "numa": 0,
        "root": "pci0000:16",
        "bridges": [*above, "0000:17:04.0"],
        "hcas": {"hca0": {"node_guid": "0200:00ff:fe00:0e10"}},
        **HCAS[hca],
    }
    accelerator = {
        "numa": 0,
        "root": "pci0000:16",
        "bridges": [*above, "0000:17:08.0"],
        "model": draw(st.sampled_from(MODELS)),
        **GPUS[gpu],
    }
    patch = dict(cause.patch)
    lines = CONFIG.format(patch.pop("p2pdma", "y"), patch.pop("paging", "y"))
    lines = "".join(
        f"# {line[:-2]} is not set\n" if line.endswith("=n") else f"{line}\n"
        for line in lines.splitlines()
    )
    manifest: dict[str, Any] = {
        "title": "one pair",
        "kernel": release,
        "nvidia": "open",
        "iommu": "identity",
        "acs": "0000",
        **patch,
    }
    over = patch.get("functions", {})
    manifest["functions"] = {
        HCA_ADDRESS: {**function, **over.get(HCA_ADDRESS, {})},
        GPU_ADDRESS: {**accelerator, **over.get(GPU_ADDRESS, {})},
    }
    manifest["files"] = {path.format(manifest["kernel"]): lines}
    return Manifest.model_validate(manifest), cause


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(planted())
def test_one_cause_is_found_and_no_other(fresh: Fresh, pair: tuple[Manifest, Cause]) -> None:
    manifest, cause = pair
    node = view_node(open_source(fresh(manifest).root), find_config(Path(NO_CONFIG)))
    results = examine(node, chosen([check.id for check in CHECKS]))
    bad: list[tuple[str, Finding]] = [
        (result.check.id, finding)
        for result in results
        for finding in result.findings
        if finding.verdict is not Verdict.OK
    ]
    if not cause.check:
        assert bad == []
        return
    assert {check for check, _ in bad} == {cause.check}
    assert all(cause.words in finding.evidence for _, finding in bad)
    assert all(finding.verdict is Verdict.WARN for _, finding in bad)
