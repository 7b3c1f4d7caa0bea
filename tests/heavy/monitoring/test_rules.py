"""Every alert: it fires on its cause, stays quiet without it, and leads to a runbook."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.heavy.monitoring.promtool import RULES, promtool
from tests.paths import REPO

GROUPS = yaml.safe_load((REPO / RULES).read_text())["groups"]
ALERTS = {rule["alert"]: rule for group in GROUPS for rule in group["rules"]}

NODE = 'job="rdma-dp", instance="192.0.2.7:8765", node="gpu-1"'
PORT = f'{NODE}, device="mlx5_0", port="1"'
OF_A_RESOURCE = f'rdma_dp_hca_resource{{{NODE}, device="mlx5_0", resource="rdma/a"}}'
RESOURCE = f'{NODE}, resource="rdma/a"'
RECEIVE_PAUSES, TRANSMIT_PAUSES = (
    f'rdma_dp_port_pause_seconds_total{{{PORT}, priority="3", direction="{direction}"}}'
    for direction in ("receive", "transmit")
)


@dataclass(frozen=True)
class Case:
    """Series in promtool's notation, from the minute 0 on, and the minute to look at."""

    fires: dict[str, str]
    quiet: dict[str, str]
    minute: int = 30


# "1x60" is 1 in each of 60 minutes; "0+5x60" grows by 5 a minute.
CASES = {
    "RdmaDpDown": Case({f"up{{{NODE}}}": "0x60"}, {f"up{{{NODE}}}": "1x60"}),
    "RdmaDpNotRegistered": Case(
        {f"rdma_dp_kubelet_registered{{{RESOURCE}}}": "0x60"},
        {
            f"rdma_dp_kubelet_registered{{{RESOURCE}}}": "1x60",
            f"rdma_dp_kubelet_stream_open{{{RESOURCE}}}": "1x60",
        },
    ),
    "RdmaDpConfigInvalid": Case(
        {f"rdma_dp_config_valid{{{NODE}}}": "0x60"}, {f"rdma_dp_config_valid{{{NODE}}}": "1x60"}
    ),
    "RdmaDpScanStale": Case(
        {f"rdma_dp_last_scan_timestamp_seconds{{{NODE}}}": "0x60"},
        {f"rdma_dp_last_scan_timestamp_seconds{{{NODE}}}": "0+60x60"},
    ),
    "RdmaResourceWithoutHcas": Case(
        {f"rdma_dp_resource_hcas{{{RESOURCE}}}": "0x60"},
        {f"rdma_dp_resource_hcas{{{RESOURCE}}}": "8x60"},
    ),
    "RdmaSlotsUnhealthy": Case(
        {
            f'rdma_dp_slots{{{RESOURCE}, health="unhealthy"}}': "63x60",
            f"rdma_dp_resource_hcas{{{RESOURCE}}}": "1x60",
        },
        {  # a resource without HCAs has an alert of its own
            f'rdma_dp_slots{{{RESOURCE}, health="unhealthy"}}': "63x60",
            f"rdma_dp_resource_hcas{{{RESOURCE}}}": "0x60",
        },
    ),
    "RdmaPortDown": Case(
        {f"rdma_dp_port_active{{{PORT}}}": "0x60", OF_A_RESOURCE: "1x60"},
        {f"rdma_dp_port_active{{{PORT}}}": "0x60"},  # of an HCA that no resource hands out
    ),
    "RdmaPortFlapping": Case(
        {f"rdma_dp_port_state_changes_total{{{PORT}}}": "0+1x60", OF_A_RESOURCE: "1x60"},
        {f"rdma_dp_port_state_changes_total{{{PORT}}}": "0x20 2x40", OF_A_RESOURCE: "1x60"},
        minute=60,
    ),
    "RdmaLinkErrors": Case(
        {f"rdma_dp_port_receive_errors_total{{{PORT}}}": "0+1200x60"},
        {f"rdma_dp_port_receive_errors_total{{{PORT}}}": "0+60x60"},
    ),
    "RdmaRetriesExhausted": Case(
        {f"rdma_dp_port_retries_exhausted_total{{{PORT}}}": "0x25 1x35"},
        {f"rdma_dp_port_retries_exhausted_total{{{PORT}}}": "7x60"},
    ),
    "RdmaPortSlow": Case(
        {
            f"rdma_dp_port_rate_bytes_per_second{{{PORT}}}": "50e9x60 25e9x60",
            f"rdma_dp_port_active{{{PORT}}}": "1x60 0x5 1x60",
            OF_A_RESOURCE: "1x120",
        },
        {  # a port of 25 Gb/s, for which the kernel reports 40 while it is down
            f"rdma_dp_port_rate_bytes_per_second{{{PORT}}}": "25e9x30 40e9x30 25e9x60",
            f"rdma_dp_port_active{{{PORT}}}": "1x30 0x30 1x60",
            OF_A_RESOURCE: "1x120",
        },
        minute=110,
    ),
    "RdmaPausedLong": Case(
        {RECEIVE_PAUSES: "0+12x60"},
        {
            RECEIVE_PAUSES: "0+3x60",
            # what this port sends is about the switch
            TRANSMIT_PAUSES: "0+30x60",
        },
    ),
    "RdmaCounterAtCeiling": Case(
        {f'rdma_dp_port_counter_saturated{{{PORT}, counter="link_downed"}}': "1x60"},
        {f"rdma_dp_port_link_downed_total{{{PORT}}}": "254x60"},
    ),
    "RdmaForeignQueuePairs": Case(
        {f'rdma_dp_foreign_queue_pairs{{{NODE}, device="mlx5_0"}}': "3x60"},
        {f'rdma_dp_foreign_queue_pairs{{{NODE}, device="mlx5_0"}}': "0x55 3x5"},
        minute=60,
    ),
    "RdmaRetransmits": Case(
        {f"rdma_dp_port_ack_timeouts_total{{{PORT}}}": "0+120x60"},
        {f"rdma_dp_port_ack_timeouts_total{{{PORT}}}": "0+30x60"},
    ),
}


def test_the_rules_are_rules() -> None:
    code, said = promtool("check", "rules", REPO / RULES)
    assert (code, "SUCCESS" in said) == (0, True), said


def test_every_alert_has_a_case() -> None:
    assert CASES.keys() == ALERTS.keys()


def fired(series: dict[str, str], name: str, case: Case, tmp_path: Path, *, expected: bool) -> None:
    """Fails unless the alert fires, or does not fire, as expected."""
    test: dict[str, Any] = {
        "interval": "1m",
        "input_series": [{"series": key, "values": values} for key, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{alertname="{name}", alertstate="firing"}}) or vector(0)',
                "eval_time": f"{case.minute}m",
                "exp_samples": [{"labels": "{}", "value": float(expected)}],
            }
        ],
    }
    file = tmp_path / "test.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(REPO / RULES)], "tests": [test]}))
    code, said = promtool("test", "rules", file)
    assert code == 0, said


@pytest.mark.parametrize("name", CASES)
def test_it_fires_on_its_cause(name: str, tmp_path: Path) -> None:
    fired(CASES[name].fires, name, CASES[name], tmp_path, expected=True)


@pytest.mark.parametrize("name", CASES)
def test_it_stays_quiet_without_it(name: str, tmp_path: Path) -> None:
    fired(CASES[name].quiet, name, CASES[name], tmp_path, expected=False)


@pytest.mark.parametrize("name", ALERTS)
def test_it_names_the_node_and_its_runbook_ends_in_a_command(name: str) -> None:
    annotations = ALERTS[name]["annotations"]
    assert "{{ $labels.node }}" in annotations["summary"]
    page, _, anchor = annotations["runbook_url"].partition("#")
    assert anchor == name.lower()
    section = re.search(
        rf"^### {name}\n(.*?)(?=^##)", (REPO / page).read_text(), re.MULTILINE | re.DOTALL
    )
    assert section, f"{page} has no section {name}"
    assert section[1].rstrip().endswith("```")


def test_a_wrong_rule_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text((REPO / RULES).read_text().replace("for: 5m", "for: 5 minutes"))
    assert promtool("check", "rules", file)[0] != 0
