"""The Grafana dashboard of deploy/monitoring, as values. scripts/generate_docs.py writes the JSON.

Each row answers one question of an operator. A panel is a title, a unit of Grafana and queries.
"""

from collections.abc import Sequence
from typing import Any

from panels import COLUMNS, Panel, board

_VARIABLES = {
    "node": "label_values(rdma_dp_build_info, node)",
    "device": 'label_values(rdma_dp_hca_info{node=~"$node"}, device)',
}

# kernel include/rdma/ib_verbs.h: enum ib_port_state.
_PORT_STATES = {
    "1": ("DOWN", "red"),
    "2": ("INIT", "orange"),
    "3": ("ARMED", "orange"),
    "4": ("ACTIVE", "green"),
    "5": ("ACTIVE_DEFER", "orange"),
}

_WHERE = 'node=~"$node"'
_PORT = f'{_WHERE}, device=~"$device"'
_AT = "{{node}} {{device}} port {{port}}"  # the legend of a port


def _rate(name: str) -> str:
    return f"rate(rdma_dp_port_{name}_total{{{_PORT}}}[$__rate_interval])"


def _growth(*names: str) -> dict[str, str]:
    return {f"{_AT} {name.replace('_', ' ')}": f"{_rate(name)} > 0" for name in names}


ROWS: Sequence[tuple[str, Sequence[Panel]]] = (
    (
        "Fleet: which nodes need attention",
        (
            Panel(
                "Resources that kubelet does not have",
                {"{{node}} {{resource}}": "rdma_dp_kubelet_stream_open == 0"},
                kind="table",
                meaning="The node counts 0. Type: rdma-dp doctor --only kubelet-registered",
            ),
            Panel(
                "Ports of shared HCAs that are not ACTIVE",
                {_AT: "rdma_dp_port_active == 0 and on (instance, device) rdma_dp_hca_resource"},
                kind="table",
                meaning="Type: rdma-dp doctor --only hca-ports",
            ),
            Panel(
                "Pods on nodes with a port that is not ACTIVE",
                {
                    "{{namespace}}/{{pod}} on {{node}}": "sum by (node, namespace, pod) "
                    "(rdma_dp_pod_slots) and on (node) (rdma_dp_port_active == 0 and on "
                    "(instance, device) rdma_dp_hca_resource)"
                },
                kind="table",
                meaning="The pods that a lost link may hurt. Type: rdma-dp pods",
            ),
            Panel(
                "Slots",
                {
                    "{{resource}} {{health}}": "sum by (resource, health) "
                    f"(rdma_dp_slots{{{_WHERE}}})",
                    "{{resource}} in use": f"sum by (resource) (rdma_dp_slots_in_use{{{_WHERE}}})",
                },
                width=12,
            ),
            Panel(
                "Invalid configs and hanging reads",
                {
                    "{{node}} config": f"rdma_dp_config_valid{{{_WHERE}}} == 0",
                    "{{node}} hangs": f"rdma_dp_scan_hanging{{{_WHERE}}} == 1",
                },
                kind="table",
                width=12,
            ),
        ),
    ),
    (
        "Node",
        (
            Panel(
                "HCAs",
                {"": f"rdma_dp_hca_info{{{_PORT}}}"},
                kind="table",
                width=12,
            ),
            Panel(
                "HCAs that cannot be shared",
                {"{{device}} {{reason}}": f"rdma_dp_hca_excluded{{{_PORT}}}"},
                kind="table",
                width=12,
            ),
        ),
    ),
    (
        "Ports",
        (
            Panel(
                "State",
                {_AT: f"rdma_dp_port_state_id{{{_PORT}}}"},
                kind="state-timeline",
                states=_PORT_STATES,
            ),
            Panel(
                "Rate",
                {_AT: f"rdma_dp_port_rate_bytes_per_second{{{_PORT}}} * 8"},
                unit="bps",
            ),
            Panel(
                "State changes per hour",
                {_AT: f"round(increase(rdma_dp_port_state_changes_total{{{_PORT}}}[1h]))"},
            ),
            Panel(
                "Sent",
                {_AT: f"{_rate('transmit_data_bytes')} * 8"},
                unit="bps",
            ),
            Panel(
                "Received",
                {_AT: f"{_rate('receive_data_bytes')} * 8"},
                unit="bps",
            ),
            Panel(
                "Share of the rate that is used",
                {
                    f"{_AT} {name}": f"{_rate(f'{name}_data_bytes')} / on (instance, device, port) "
                    "rdma_dp_port_rate_bytes_per_second"
                    for name in ("transmit", "receive")
                },
                unit="percentunit",
            ),
        ),
    ),
    (
        "Errors",
        (
            Panel(
                "Link errors",
                _growth("link_downed", "link_error_recovery", "symbol_errors", "receive_errors"),
                unit="cps",
            ),
            Panel(
                "Lost packets",
                _growth("out_of_sequence", "sequence_naks", "ack_timeouts", "transmit_discards"),
                unit="cps",
            ),
            Panel(
                "Receivers that are not ready, and retries that are used up",
                _growth("rnr_naks", "out_of_buffer", "retries_exhausted"),
                unit="cps",
            ),
            Panel(
                "Counters that have reached their largest value",
                {f"{_AT} {{{{counter}}}}": f"rdma_dp_port_counter_saturated{{{_PORT}}} == 1"},
                kind="table",
                width=COLUMNS,
                meaning="They show no new errors. Type: perfquery -R -C DEVICE -P PORT",
            ),
        ),
    ),
    (
        "Congestion",
        (
            Panel(
                "CNPs and ECN marks",
                _growth("cnp_sent", "cnp_handled", "ecn_marked"),
                unit="cps",
                width=6,
            ),
            Panel(
                "Waiting for credits, in ticks",
                _growth("transmit_wait_ticks"),
                unit="cps",
                width=6,
            ),
            Panel(
                "Share of time in pause",
                {
                    f"{_AT} priority {{{{priority}}}} {{{{direction}}}}": _rate("pause_seconds"),
                },
                unit="percentunit",
                width=6,
                limit=0.1,
                meaning="Received pauses stop this port, transmitted ones the switch. Needs "
                "metrics.pauses in the config.",
            ),
            Panel(
                "Pause frames",
                {f"{_AT} priority {{{{priority}}}} {{{{direction}}}}": _rate("pause_frames")},
                unit="cps",
                width=6,
            ),
        ),
    ),
    (
        "Pods",
        (
            Panel(
                "Slots in use",
                {"{{node}} {{resource}}": f"rdma_dp_slots_in_use{{{_WHERE}}}"},
            ),
            Panel(
                "Slots by pod",
                {
                    "{{namespace}}/{{pod}} {{resource}}": "sum by (node, namespace, pod, resource) "
                    f"(rdma_dp_pod_slots{{{_WHERE}}})"
                },
                kind="table",
                width=16,
                values=True,
            ),
            Panel(
                "Queue pairs by pod",
                {
                    "{{namespace}}/{{pod}} {{device}}": "sum by (namespace, pod, device) "
                    f"(rdma_dp_pod_queue_pairs{{{_PORT}}})"
                },
                meaning="Needs metrics.pods: queuePairs in the config.",
            ),
            Panel(
                "Pods that hold slots and own no queue pair",
                {
                    "{{namespace}}/{{pod}} on {{node}}": "sum by (node, namespace, pod) "
                    f"(rdma_dp_pod_queue_pairs{{{_WHERE}}}) == 0"
                },
                kind="table",
                meaning="They do not use RDMA: NCCL has fallen back to TCP, for example.",
            ),
            Panel(
                "Queue pairs of processes without a slot",
                {"{{node}} {{device}}": f"rdma_dp_foreign_queue_pairs{{{_PORT}}}"},
            ),
        ),
    ),
    (
        "Daemon",
        (
            Panel(
                "Allocate in the last hour, 99th percentile",
                {
                    "{{resource}}": "histogram_quantile(0.99, sum by (resource, le) "
                    f"(rate(rdma_dp_allocate_duration_seconds_bucket{{{_WHERE}}}[1h])))"
                },
                unit="s",
                width=6,
            ),
            Panel(
                "Scans",
                {"{{node}} {{result}}": f"rate(rdma_dp_scans_total{{{_WHERE}}}[$__rate_interval])"},
                unit="cps",
                width=6,
            ),
            Panel(
                "Memory",
                {"{{node}}": f'process_resident_memory_bytes{{job="rdma-dp", {_WHERE}}}'},
                unit="bytes",
                width=6,
            ),
            Panel(
                "CPU",
                {
                    "{{node}}": "rate(process_cpu_seconds_total"
                    f'{{job="rdma-dp", {_WHERE}}}[$__rate_interval])'
                },
                unit="percentunit",
                width=6,
            ),
        ),
    ),
)


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana imports it."""
    return board("RDMA (rdma-dp)", "rdma-dp", ROWS, _VARIABLES)
