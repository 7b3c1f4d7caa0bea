"""H17: the first screen of `rdma-dp doctor` holds the answer: problems first, each cause once."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.config.loading import find_config
from rdma_dp.discovery.char_devices import STALE_MOUNT
from rdma_dp.doctor.catalogue import CATALOGUE, chosen
from rdma_dp.doctor.check import Check, Finding, Verdict, check, fail, not_checked
from rdma_dp.doctor.examination import Result, examine
from rdma_dp.inventory.verdicts import Ineligible, IneligibleCode
from rdma_dp.node.source import open_source
from rdma_dp.node.view import NodeView, view_node
from rdma_dp.render import console, doctor
from rdma_dp.sharing.pool import make_pools
from simulator.host import sample_names
from tests.conftest import Fresh, Sample
from tests.unit.cli.process import rdma_dp
from tests.unit.doctor.ailing import ALL_MELLANOX, ailing

WORST_FIRST = ("fail", "warn", "unknown", "ok")


def made(id_: str) -> Check:
    @check(id_, "a check", reads="nothing")
    def inspect(_: NodeView) -> Iterator[Finding]:
        """Not run here."""
        yield from ()

    return inspect


VERDICTS = st.lists(st.sampled_from(Verdict), max_size=12)


def shown(results: list[Result], *, every: bool = False) -> list[tuple[str, str]]:
    """The verdict and the check of each row, from top to bottom."""
    lines = console.plain(doctor.table(results, every=every)).splitlines()
    words = (line.split() for line in lines if line and not line.startswith(" "))
    return [(first, second) for first, second, *_ in words if first in WORST_FIRST]


@given(VERDICTS)
def test_the_rows_are_problems_and_the_worst_comes_first(verdicts: list[Verdict]) -> None:
    results = [
        Result(made(f"x-{at}"), (Finding(verdict, f"evidence {at}"),))
        for at, verdict in enumerate(verdicts)
    ]
    rows = shown(results)
    assert [verdict for verdict, _ in rows] == sorted(
        (each.value for each in verdicts if each is not Verdict.OK), key=WORST_FIRST.index
    )
    assert {check for _, check in rows} == {
        each.check.id for each in results if each.verdict is not Verdict.OK
    }
    assert {check for _, check in shown(results, every=True)} == {each.check.id for each in results}


def test_what_could_not_be_checked_stands_with_its_cause() -> None:
    results = [
        Result(made("x-cause"), (Finding(Verdict.FAIL, "kubelet has exited"),)),
        Result(made("x-first"), (not_checked("not queried", because="x-cause"),)),
        Result(made("x-second"), (not_checked("no holders", because="x-first"),)),
        Result(made("x-other"), (not_checked("no such check ran", because="x-absent"),)),
    ]
    assert shown(results) == [("fail", "x-cause"), ("unknown", "x-other")]
    text = console.plain(doctor.table(results))
    assert "not checked because of this: x-first, x-second" in text
    assert len(shown(results, every=True)) == 4


def test_one_reason_of_several_checks_stands_once() -> None:
    results = [
        Result(made(f"x-{at}"), (Finding(Verdict.UNKNOWN, "cannot read /proc"),)) for at in range(3)
    ]
    assert shown(results) == [("unknown", "x-0")]
    assert console.plain(doctor.table(results)).count("/proc") == 1


def test_the_checks_without_a_problem_are_one_line(sample: Sample) -> None:
    words = ("doctor", "--root", sample("no-umad"), "--config", ALL_MELLANOX)
    ended = rdma_dp(*words)
    assert ended.out.startswith("warn")
    assert not any(line.startswith("ok") for line in ended.out.splitlines())
    assert "checks are ok or do not apply (`--all` lists them)" in ended.out
    every = rdma_dp(*words, "--all")
    assert all(each.id in every.out for each in CATALOGUE)
    assert every.code == ended.code
    assert len(rdma_dp(*words, "-o", "json").document["checks"]) == len(CATALOGUE)


def test_a_chosen_check_is_shown_with_each_verdict(sample: Sample) -> None:
    ended = rdma_dp(
        "doctor", "--root", sample("seed"), "--config", ALL_MELLANOX, "--only", "hca-modules"
    )
    assert ended.out.startswith("ok")


# --- a cause of several checks ------------------------------------------------------------------

ALARMS = (Verdict.WARN, Verdict.FAIL)


def examined(root: Path, *, only: tuple[str, ...] = ()) -> tuple[Result, ...]:
    return examine(view_node(open_source(root), find_config(ALL_MELLANOX)), chosen(only))


def alarms(results: Iterable[Result]) -> list[str]:
    """The problems, as "check subject: evidence"."""
    return [
        f"{result.check.id} {finding.subject}: {finding.evidence}"
        for result in results
        for finding in result.findings
        if finding.verdict in ALARMS
    ]


@pytest.mark.parametrize("name", sample_names())
def test_no_command_stands_in_two_checks(name: str, sample: Sample) -> None:
    """H17: the remedy stands with the cause; the effect refers to it. rdma-dp's own commands only
    show something.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for result in examined(sample(name)):
        if result.verdict in ALARMS:
            for step in result.remedy:
                found[step].add(result.check.id)
    shown = ("rdma-dp ", "dmesg ", "mlxlink ")
    assert not [each for each in found if len(found[each]) > 1 and not each.startswith(shown)]


def test_modules_that_are_not_loaded_are_one_cause(sample: Sample) -> None:
    """H17: with HCAs and without."""
    nodes, resources, modules = "no uverbs node", "rdma/hca: no HCA", "see hca-modules"
    assert alarms(examined(sample("no-uverbs")))[0] == "hca-modules ib_uverbs: is not loaded"
    assert [each for each in alarms(examined(sample("no-uverbs"))) if "see " in each] == [
        f"hca-nodes mlx5_0: {nodes}: {modules}",
        f"hca-nodes mlx5_1: {nodes}: {modules}",
        f"config-resources {resources}: {modules}",
    ]
    assert alarms(examined(sample("no-modules")))[1:] == [
        f"config-resources {resources}: {modules}"
    ]


def test_exclusive_network_namespaces_are_one_cause(sample: Sample, fresh: Fresh) -> None:
    """H17: whether the HCAs are here, or in other network namespaces."""
    effect = "config-resources rdma/hca: no HCA: see hca-netns"
    cause = "hca-netns : the mode is exclusive: no pod can use an HCA of the host"
    assert alarms(examined(sample("exclusive-netns"))) == [cause, effect]
    functions = ", ".join(f"0000:3b:00.{n}: {{hcas: []}}" for n in range(2))
    patch = f"{{loaded: [ib_core, mlx5_ib, ib_uverbs], functions: {{{functions}}}}}"
    found = alarms(examined(fresh(ailing("exclusive-netns", patch)).root))
    drivers = [f"hca-driver 0000:3b:00.{n}: no HCA: see hca-netns" for n in range(2)]
    assert found == [*drivers, cause, effect]


def test_a_stale_mount_is_one_cause(fresh: Fresh) -> None:
    """H17: the deleted directory has one check."""
    host = fresh("seed", dev=True)
    view = view_node(open_source(host.root), find_config(ALL_MELLANOX))
    stale = Ineligible(IneligibleCode.STALE_MOUNT, STALE_MOUNT)
    hcas = tuple(replace(hca, ineligible=stale) for hca in view.inventory.hcas)
    inventory = replace(view.inventory, hcas=hcas)
    config = view.config.config
    assert config is not None
    node = replace(view, inventory=inventory, pools=make_pools(config, inventory))
    assert alarms(examine(node, CATALOGUE)) == [
        f"hca-nodes : {STALE_MOUNT}",
        "config-resources rdma/hca: no HCA: see hca-nodes",
    ]


def test_a_check_alone_has_the_whole_text(sample: Sample) -> None:
    """H17: with --only, the cause is in the finding itself."""
    (line,) = alarms(examined(sample("no-modules"), only=("config-resources",)))
    assert line.endswith("its RDMA module mlx5_ib is not loaded")


def test_an_effect_keeps_its_row_its_code_and_its_verdict(sample: Sample) -> None:
    """H17: programs find the same fields; the text is shorter, and `because` names the cause."""
    results = examined(sample("no-modules"))
    assert ("fail", "config-resources") in shown(list(results))
    checks = {each["id"]: each for each in doctor.document(results)["checks"]}
    (finding,) = checks["config-resources"]["findings"]
    assert finding == {
        "verdict": "fail",
        "subject": "rdma/hca",
        "evidence": "no HCA: see hca-modules",
        "code": "module-not-loaded",
        "because": "hca-modules",
        "remedy": [],
    }


def test_what_could_not_be_checked_because_of_an_effect_stands_with_it() -> None:
    """H17: an effect has a row of its own, though another check reports its cause."""
    results = [
        Result(made("x-cause"), (fail("the module is not loaded"),)),
        Result(made("x-effect"), (fail("no HCA: see x-cause", because="x-cause"),)),
        Result(made("x-third"), (not_checked("no slots", because="x-effect"),)),
    ]
    assert shown(results) == [("fail", "x-cause"), ("fail", "x-effect")]
