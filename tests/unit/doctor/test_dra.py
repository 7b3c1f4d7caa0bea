"""What the checks of DRA make of a node: something wrong, and the same mended."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rdma_dp.config import Config, load
from rdma_dp.doctor.check import Check, Verdict
from rdma_dp.doctor.checks import dra_cluster, dra_driver
from rdma_dp.doctor.examination import Result, examine
from rdma_dp.host.files import Host
from rdma_dp.inventory.hardware import Inventory
from rdma_dp.kubelet.statuses import DriverStatus, SocketState
from rdma_dp.kubelet.views import HeldClaim, KubeletView, PluginSocket, PodResources
from rdma_dp.node.answers import Answers
from rdma_dp.node.cluster_queries import ClusterClasses
from rdma_dp.node.view import ConfigSeen, NodeView
from rdma_dp.sharing.pool import make_pools
from tests.conftest import Sample
from tests.unit.cli.process import rdma_dp
from tests.unit.doctor.ailing import ALL_MELLANOX, seen
from tests.unit.doctor.twins import told

DRIVER = "hca.rdma-dp.dev"
CHECKS = (*dra_driver.CHECKS, *dra_cluster.CHECKS)
OF_THE_DRIVER = dra_driver.CHECKS
DP, PR = "/var/lib/kubelet/device-plugins", "/var/lib/kubelet/plugins_registry"
STATUS = DriverStatus(
    "1.0",
    DRIVER,
    registered=True,
    listed=True,
    slices=1,
    devices=8,
    current=True,
    directory=f"/var/lib/kubelet/plugins/{DRIVER}",
    directory_is_kept=True,
    node="node-1",
    claims=("ns/train",),
)
OURS = PluginSocket(f"{PR}/{DRIVER}-a-reg.sock", SocketState.ANSWERS, resource=DRIVER)
BOOK = PodResources(claims=(HeldClaim("ns", "pod", "main", "train", DRIVER),))


def a_config(directory: Path, via: str = "dra", more: str = "") -> Path:
    """A config with one device for each HCA."""
    file = directory / "config.yaml"
    file.write_text(
        f"dra: {{{more}}}\nconfigList: [{{resourceName: a, rdmaHcaMax: 2, slotsPer: hca,"
        f" via: {via}, selectors: {{vendors: ['15b3']}}}}]\n"
    )
    return file


def view(
    *statuses: DriverStatus, others: tuple[PluginSocket, ...] = (), **more: Any
) -> KubeletView:
    sockets = tuple(replace(OURS, kind="DRAPlugin", driver=each) for each in statuses)
    facts = {"pod_resources": BOOK, **more}
    return KubeletView(
        "/var/lib/kubelet", DP, PR, SocketState.ANSWERS, (*sockets, *others), **facts
    )


def said(check: Check, of: Config, what: KubeletView | None, root: Path) -> Result:
    pools = make_pools(of, Inventory())
    node = NodeView(
        Host(root), Inventory(), Answers(kubelet=what), ConfigSeen(Path("c"), of), pools
    )
    (result,) = examine(node, [check])
    return result


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load(a_config(tmp_path)).config


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_nothing_is_said_where_no_resource_is_via_dra(check: Check, tmp_path: Path) -> None:
    for view_of in (None, view(), view(replace(STATUS, lacking_gates=("DRADeviceTaints",)))):
        result = said(check, load(ALL_MELLANOX).config, view_of, tmp_path)
        assert told(result) == ["ok : does not apply to this node"]


@pytest.mark.parametrize("check", OF_THE_DRIVER, ids=lambda check: check.id)
def test_a_node_that_is_well_is_well(check: Check, config: Config, tmp_path: Path) -> None:
    for of in (view(STATUS), view(STATUS, STATUS)):
        assert said(check, config, of, tmp_path).verdict is Verdict.OK


@pytest.mark.parametrize("check", OF_THE_DRIVER, ids=lambda check: check.id)
def test_without_an_answer_of_kubelet_nothing_is_known(
    check: Check, config: Config, tmp_path: Path
) -> None:
    result = said(check, config, None, tmp_path)
    assert result.verdict is Verdict.UNKNOWN
    assert "see kubelet-socket" in result.findings[0].evidence


@pytest.mark.parametrize(
    "check",
    [c for c in OF_THE_DRIVER if c.id in ("dra-slices", "dra-gates", "dra-claims")],
    ids=lambda check: check.id,
)
def test_without_a_driver_its_check_says_so_and_the_others_refer_to_it(
    check: Check, config: Config, tmp_path: Path
) -> None:
    assert told(said(dra_driver.driver, config, view(), tmp_path)) == [
        f"fail : no rdma-dp serves the driver {DRIVER}"
    ]
    (finding,) = said(check, config, view(), tmp_path).findings
    assert (finding.verdict, finding.because) == (Verdict.UNKNOWN, "dra-driver")


DRANET = PluginSocket(
    f"{PR}/dra.net-reg.sock", SocketState.ANSWERS, resource="dra.net", kind="DRAPlugin"
)

ILL: dict[str, tuple[Check, dict[str, Any], str, str]] = {
    "not registered": (
        dra_driver.driver,
        {"registered": False, "trouble": "the disk is full"},
        f"fail {DRIVER}: is not registered: the disk is full",
        "logs",
    ),
    "no name of the node": (
        dra_driver.driver,
        {"node": None},
        f"fail {DRIVER}: its environment does not name the node",
        "NODE_NAME",
    ),
    "directory not mounted": (
        dra_driver.driver,
        {"directory_is_kept": False},
        (
            f"fail {DRIVER}: {STATUS.directory} is in the container's own file system: claims are"
            " lost when it restarts"
        ),
        "plugins from the node",
    ),
    "no token": (
        dra_driver.slices,
        {"listed": False, "failure": "cannot read /token"},
        f"fail {DRIVER}: the slices cannot be read: cannot read /token",
        "logs",
    ),
    "slice missing": (
        dra_driver.slices,
        {"slices": 0, "current": False, "failure": "forbidden"},
        f"fail {DRIVER}: 0 slices are published, which are not what the node offers: forbidden",
        DRIVER,
    ),
    "slice old": (
        dra_driver.slices,
        {"current": False},
        (
            f"warn {DRIVER}: 1 slices are published, which are not what the node offers:"
            " rdma-dp writes them now"
        ),
        "resourceslices",
    ),
    "watch lost": (
        dra_driver.slices,
        {"failure": "no answer in time"},
        f"warn {DRIVER}: changes are not seen: no answer in time",
        "logs",
    ),
    "gate off": (
        dra_driver.gates,
        {"lacking_gates": ("DRAConsumableCapacity",)},
        (
            f"fail {DRIVER}: the API server lacks the feature gate DRAConsumableCapacity: some"
            " devices are not published"
        ),
        "slots to each",
    ),
    "claim without a pod": (
        dra_driver.claims,
        {"claims": ("ns/train", "ns/old")},
        "warn ns/old: is prepared, but kubelet lists no container with it",
        "kubectl -n ns get resourceclaim old",
    ),
    "claim that stays": (
        dra_driver.claims,
        {"claims": ("ns/train", "ns/old"), "stuck_claims": ("ns/old: the disk is full",)},
        "warn ns/old: kubelet has forgotten it, and rdma-dp cannot release it: the disk is full",
        f"ls -l {STATUS.directory}/rdma-dp-claims",
    ),
}


@pytest.mark.parametrize("name", ILL)
def test_what_is_wrong_with_the_driver(name: str, config: Config, tmp_path: Path) -> None:
    check, changes, text, remedy = ILL[name]
    result = said(check, config, view(replace(STATUS, **changes)), tmp_path)
    assert told(result) == [text]
    assert any(remedy in step for step in result.remedy)


def test_a_kubelet_that_lists_no_claims_says_nothing_about_them(
    config: Config, tmp_path: Path
) -> None:
    """kubelet before 1.34 does not, unless a feature gate is on."""
    of = view(replace(STATUS, claims=("ns/train",)), pod_resources=replace(BOOK, claims=()))
    result = said(dra_driver.claims, config, of, tmp_path)
    assert result.verdict is Verdict.UNKNOWN
    assert "KubeletPodResourcesDynamicResources" in told(result)[0]
    none = view(replace(STATUS, claims=()), pod_resources=replace(BOOK, claims=()))
    assert said(dra_driver.claims, config, none, tmp_path).verdict is Verdict.OK


def test_another_driver_that_takes_interfaces(config: Config, tmp_path: Path) -> None:
    result = said(dra_driver.rivals, config, view(STATUS, others=(DRANET,)), tmp_path)
    assert [text.partition(":")[0] for text in told(result)] == ["warn dra.net"]
    gpus = replace(DRANET, resource="gpu.example.org")
    assert said(dra_driver.rivals, config, view(STATUS, others=(gpus,)), tmp_path).verdict == "ok"


def test_what_cannot_be_listed_is_unknown(config: Config, tmp_path: Path) -> None:
    of = view(unreadable={PR: "Permission denied"})
    for check in (dra_driver.driver, dra_driver.rivals):
        assert "Permission denied" in told(said(check, config, of, tmp_path))[0]
    of = view(STATUS, pod_resources=None, why_no_pod_resources="there is no socket")
    assert told(said(dra_driver.claims, config, of, tmp_path)) == [
        "unknown : kubelet's list of pods cannot be read: there is no socket"
    ]


# --- beside the driver --------------------------------------------------------------------------


def test_a_prepared_claim_shows_that_there_is_a_class(config: Config, tmp_path: Path) -> None:
    assert said(dra_cluster.classes, config, view(STATUS), tmp_path).verdict is Verdict.OK
    result = said(dra_cluster.classes, config, view(replace(STATUS, claims=())), tmp_path)
    text = "not checked whether the cluster has rdma-hca, a: the API server was not asked"
    assert told(result) == [f"unknown : {text}: only the doctor in the pod can ask it"]
    assert "kubectl get deviceclasses" in result.remedy


@pytest.mark.parametrize(
    ("names", "resources", "texts"),
    [
        (("rdma-hca", "a"), ("rdma/a",), ["ok : the cluster has the 2 classes of the config"]),
        (("rdma-hca", "other"), ("rdma/a",), ["ok : the cluster has the 2 classes of the config"]),
        (
            ("a",),
            (),
            [
                "warn rdma-hca: the cluster has no such DeviceClass",
                "warn rdma/a: no DeviceClass has it as extendedResourceName, as a would",
            ],
        ),
    ],
)
def test_in_the_pod_the_classes_are_compared(
    names: tuple[str, ...],
    resources: tuple[str, ...],
    texts: list[str],
    config: Config,
    tmp_path: Path,
) -> None:
    seen_classes = ClusterClasses(frozenset(names), frozenset(resources))
    node = NodeView(
        Host(tmp_path),
        Inventory(),
        Answers(kubelet=view(STATUS)),
        ConfigSeen(Path("c"), config),
        classes=seen_classes,
    )
    (result,) = examine(node, [dra_cluster.classes])
    assert told(result) == texts


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        (None, "unknown"),
        ("version = 2\n[plugins.cri]\n  enable_cdi = true\n", "ok"),
        ("version = 2\n  enable_cdi = false\n", "fail"),
        ("version = 2\n", "unknown"),
        ("version = 3\n", "ok"),
        ("# enable_cdi = true\nversion = 2\n", "unknown"),
        ("version = x\n", "unknown"),
    ],
)
def test_containerd_reads_cdi_specs(
    text: str | None, verdict: str, config: Config, tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / "etc/containerd").mkdir(parents=True)
        (tmp_path / "etc/containerd/config.toml").write_text(text)
    assert said(dra_cluster.cdi, config, None, tmp_path).verdict == verdict


def test_gpus_whose_root_no_hca_has(sample: Sample, tmp_path: Path) -> None:
    result = seen("dra-roots", sample("gb300"), a_config(tmp_path))
    assert result.verdict is Verdict.WARN
    assert "no HCA has the PCIe root of 4 of 4 GPUs" in result.findings[0].evidence
    assert any("pcieRoots" in step for step in result.remedy)


def test_overrides_of_the_config_count(sample: Sample, tmp_path: Path) -> None:
    result = seen("dra-roots", sample("gb300"), a_config(tmp_path))
    written = result.remedy[0].partition("config: ")[2]
    mended = seen("dra-roots", sample("gb300"), a_config(tmp_path, more=f"pcieRoots: {written}"))
    assert mended.verdict is Verdict.OK, mended


@pytest.mark.parametrize(
    ("name", "selectors", "verdict"),
    [
        ("gb300", "vendors: ['15b3']", "ok"),
        ("gb300", "rdmaDevices: [mlx5_0]", "warn"),
        ("dgx-h100", "vendors: ['15b3']", "ok"),
        ("dgx-h100", "rdmaDevices: [mlx5_0]", "warn"),
    ],
)
def test_a_device_of_a_whole_resource_has_the_root_of_all_its_hcas(
    name: str, selectors: str, verdict: str, sample: Sample, tmp_path: Path
) -> None:
    """As topo shows it. One of HCAs on several roots has none, and no claim can require it."""
    file = tmp_path / "config.yaml"
    file.write_text(
        "configList: [{resourceName: a, rdmaHcaMax: 2, via: dra, selectors: {" + selectors + "}}]\n"
    )
    assert seen("dra-roots", sample(name), file).verdict == verdict
    shown = rdma_dp("topo", "--config", file, "--root", sample(name)).out
    assert ("no HCA" in shown.partition("PCIe roots for DRA")[2]) == (verdict == "warn")


@pytest.mark.parametrize("name", ["dgx-h100", "hgx", "seed"])
def test_gpus_with_an_hca_on_their_root(name: str, sample: Sample, tmp_path: Path) -> None:
    assert seen("dra-roots", sample(name), a_config(tmp_path)).verdict is Verdict.OK
