"""Port states and rates."""

from pathlib import Path

import pytest

from rdma_dp.doctor.check import Verdict
from tests.conftest import Fresh, Sample
from tests.paths import CONFIGS
from tests.unit.doctor.ailing import ailing, seen
from tests.unit.doctor.twins import config, ill, told

SECOND_DOWN = "functions: {0000:3b:00.1: {hcas: {mlx5_1: {ports: {1: {state: DOWN}}}}}}"
BOTH_DOWN = """
functions:
  0000:3b:00.0: {hcas: {mlx5_0: {ports: {1: {state: DOWN}}}}}
  0000:3b:00.1: {hcas: {mlx5_1: {ports: {1: {state: DOWN}}}}}
"""
FIRST_ONLY = CONFIGS / "seed-ifnames.json"


def test_a_port_that_is_down_beside_another_is_a_warning(fresh: Fresh) -> None:
    result = ill(fresh, "hca-ports", "seed", SECOND_DOWN)
    assert told(result) == ["warn mlx5_1: port 1 is DOWN, phys state Disabled"]
    assert result.remedy == ("ethtool ens1f1np1",)


def test_a_resource_without_any_active_port_fails(fresh: Fresh) -> None:
    result = ill(fresh, "hca-ports", "seed", BOTH_DOWN)
    assert [each.verdict for each in result.findings] == [Verdict.FAIL, Verdict.FAIL]


def test_a_port_in_no_resource_may_be_dark_on_purpose(fresh: Fresh) -> None:
    host = fresh(ailing("seed", SECOND_DOWN))
    assert seen("hca-ports", host.root, FIRST_ONLY).verdict is Verdict.OK
    assert seen("hca-ports", host.root, CONFIGS / "none.yaml").verdict is Verdict.WARN


def test_the_ports_count_that_the_selectors_fit(fresh: Fresh, tmp_path: Path) -> None:
    """C11: port 1 is ACTIVE, but the resource was chosen by port 2."""
    base = (
        "functions: {0000:05:00.0: {hcas: {mlx4_0: {ports: {2: {protocol: roce, state: DOWN}}}}}}"
    )
    host = fresh(ailing("connectx3", base))
    selectors = "{resourceName: NAME, rdmaHcaMax: 1, selectors: {linkTypes: [NAME]}}"
    for name, lines in (
        ("infiniband", ["ok : 1 of 1 HCA with an ACTIVE port"]),
        ("ether", ["fail mlx4_0: port 2 is DOWN, phys state Disabled"]),
    ):
        file = config(tmp_path, f"configList: [{selectors.replace('NAME', name)}]")
        assert told(seen("hca-ports", host.root, file)) == lines


def test_a_netdev_that_is_down_is_told_how_to_set_it_up(fresh: Fresh) -> None:
    down = "net: {ens1f1np1: {files: {flags: '0x1002'}}}"
    hca = "hcas: {mlx5_1: {ports: {1: {state: DOWN}}}}"
    patch = f"functions: {{0000:3b:00.1: {{{hca}, {down}}}}}"
    assert ill(fresh, "hca-ports", "seed", patch).remedy == ("ip link set ens1f1np1 up",)


def test_init_means_that_no_subnet_manager_answers(fresh: Fresh) -> None:
    patch = "functions: {0000:18:00.0: {hcas: {mlx5_0: {ports: {1: {state: INIT}}}}}}"
    result = ill(fresh, "hca-ports", "dgx-h100", patch)
    (line,) = told(result)
    assert line.startswith(
        "warn mlx5_0: port 1 is INIT, phys state LinkUp: the cable is good, but no subnet manager"
    )
    assert result.remedy == (
        "systemctl status opensm  # on the machine that runs the subnet manager",
    )


def test_init_is_told_of_an_hca_in_no_resource_as_well(fresh: Fresh, tmp_path: Path) -> None:
    file = config(
        tmp_path,
        "configList: [{resourceName: a, rdmaHcaMax: 2, selectors: {linkTypes: [ether]}}]",
    )
    patch = "functions: {0000:18:00.0: {hcas: {mlx5_0: {ports: {1: {state: INIT}}}}}}"
    result = ill(fresh, "hca-ports", "dgx-h100", patch, config=file)
    assert [(f.verdict, f.subject) for f in result.findings] == [(Verdict.WARN, "mlx5_0")]


def test_one_active_port_of_two_is_enough(fresh: Fresh) -> None:
    two = "hcas: {mlx5_1: {ports: {1: {}, 2: {state: DOWN}}}}"
    host = fresh(ailing("seed", f"functions: {{0000:3b:00.1: {{{two}}}}}"))
    assert seen("hca-ports", host.root).verdict is Verdict.OK


def test_a_port_without_a_state_is_unknown(fresh: Fresh) -> None:
    gone = "hcas: {mlx5_1: {remove: [ports/1/state]}}"
    host = fresh(ailing("seed", f"functions: {{0000:3b:00.1: {{{gone}}}}}"))
    assert told(seen("hca-ports", host.root)) == ["unknown mlx5_1: no port shows its state"]


def test_a_port_slower_than_its_like_is_a_warning(fresh: Fresh) -> None:
    slow = "hcas: {mlx5_4: {ports: {1: {rate: '200 Gb/sec (2X NDR)'}}}}"
    result = ill(fresh, "hca-rate", "dgx-h100", f"functions: {{0000:4f:00.0: {{{slow}}}}}")
    assert told(result) == ["warn mlx5_4: port 1 runs at 200 Gb/s, similar ports at 400 Gb/s"]
    assert result.remedy == ("mlxlink -d mlx5_4",)


def test_cards_in_different_resources_may_differ(fresh: Fresh) -> None:
    patch = """
    functions:
      0000:29:00.0: {hcas: {mlx5_1: {ports: {1: {rate: '100 Gb/sec (4X EDR)'}}}}}
      0000:29:00.1: {hcas: {mlx5_2: {ports: {1: {rate: '100 Gb/sec (4X EDR)'}}}}}
    """
    host = fresh(ailing("dgx-h100", patch))
    assert seen("hca-rate", host.root).verdict is Verdict.WARN
    by_kind = CONFIGS / "infiniband-only.yaml"
    assert seen("hca-rate", host.root, by_kind).verdict is Verdict.OK


def test_the_rate_of_a_port_that_is_down_says_nothing(fresh: Fresh) -> None:
    down = "hcas: {mlx5_4: {ports: {1: {state: DOWN, rate: '10 Gb/sec (4X SDR)'}}}}"
    host = fresh(ailing("dgx-h100", f"functions: {{0000:4f:00.0: {{{down}}}}}"))
    assert seen("hca-rate", host.root).verdict is Verdict.OK


def test_a_rate_that_is_not_shown_is_unknown(fresh: Fresh) -> None:
    """H14: the other rates say nothing of this one."""
    gone = "functions: {0000:4f:00.0: {hcas: {mlx5_4: {remove: [ports/1/rate]}}}}"
    result = seen("hca-rate", fresh(ailing("dgx-h100", gone)).root)
    assert told(result) == ["unknown mlx5_4: an ACTIVE port does not show its rate"]


def test_a_soft_hca_has_no_card_to_compare(sample: Sample) -> None:
    assert seen("hca-rate", sample("soft")).verdict is Verdict.OK


def test_boards_with_equal_ids_are_compared_only_with_the_same_purpose(fresh: Fresh) -> None:
    """H11: a firmware whose board_id is that of the chip; only the SuperNICs are beside GPUs."""
    names = {"19": "rocep25s0f0", "9b": "rocep155s0f0", "d8": "rocep216s0f0"}
    patch = "".join(
        f"  0000:{bus}:00.0: {{hcas: {{{name}: {{files: {{board_id: MT_00000041692}}}}}}}}\n"
        for bus, name in names.items()
    )
    patch = f"functions:\n{patch}"
    assert seen("hca-rate", fresh(ailing("mixed-boards", patch)).root).verdict is Verdict.OK


def test_different_boards_are_not_compared(sample: Sample) -> None:
    """H11: a DPU for storage beside SuperNICs with the same chip."""
    assert seen("hca-rate", sample("mixed-boards")).verdict is Verdict.OK


@pytest.mark.parametrize(
    "patch",
    [
        "hcas: {mlx5_4: {files: {board_id: MT_0000000884}, PORTS}}",
        "files: {subsystem_device: '0x0051'}, hcas: {mlx5_4: {PORTS}}",
    ],
)
def test_a_board_is_known_by_its_firmware_or_by_its_subsystem(patch: str, fresh: Fresh) -> None:
    """H11: either is enough to be another board."""
    slow = patch.replace("PORTS", "ports: {1: {rate: '200 Gb/sec (2X NDR)'}}")
    host = fresh(ailing("dgx-h100", f"functions: {{0000:4f:00.0: {{{slow}}}}}"))
    assert seen("hca-rate", host.root).verdict is Verdict.OK
