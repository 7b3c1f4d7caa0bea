"""The verbs of `rdma-dp`, one row each, and the parsers of both programs.

To add a verb, write its function in verbs.py and add a row here. Help, completion and the man page
are made from the rows. Rows of one group stand together.
"""

import argparse
from collections.abc import Sequence
from functools import partial

from rdma_dp.cli import (
    arguments,
    dra_arguments,
    dra_verbs,
    monitoring_arguments,
    node_verbs,
    verbs,
)
from rdma_dp.cli.output import NOT_LOOKED
from rdma_dp.cli.parsing import Parser, Verb, epilog, verbs_parser
from rdma_dp.cli.version import add_version

NODE, CONFIG, DAEMON, OTHER = "on a node", "config", "daemon", "other"

RUN = Verb(
    "run",
    DAEMON,
    verbs.run,
    [
        partial(arguments.add_daemon_arguments, set_links_up=False, config_wait=0),
        monitoring_arguments.add_monitoring_arguments,
    ],
    [
        "rdma-dp run --config-file config.json",
        "rdma-dp run --config-file config.json --log-level debug --log-format json",
        "rdma-dp run --config-file config.json --metrics 127.0.0.1:8765",
    ],
)

VERBS = [
    Verb(
        "discover",
        NODE,
        node_verbs.discover,
        [arguments.add_output, arguments.add_root],
        [
            "rdma-dp discover",
            "rdma-dp discover --output wide",
            "rdma-dp discover --root node.tar.gz --output json",
        ],
    ),
    Verb(
        "dry-run",
        NODE,
        node_verbs.dry_run,
        [
            arguments.add_config,
            partial(arguments.add_output, more=("explain",)),
            arguments.add_use_cdi,
            arguments.add_root,
        ],
        [
            "rdma-dp dry-run --config config.json",
            "rdma-dp dry-run --config config.json --output explain",
            "rdma-dp dry-run --config config.json --root node.tar.gz",
        ],
    ),
    Verb(
        "doctor",
        NODE,
        node_verbs.doctor,
        [
            arguments.add_config,
            arguments.add_doctor_arguments,
            arguments.add_use_cdi,
            arguments.add_kubelet_directories,
            arguments.add_root,
        ],
        [
            "rdma-dp doctor --config config.json",
            "rdma-dp doctor --only hca-ports,hca-rate --counters 1",
            "rdma-dp doctor --list",
        ],
        failed=NOT_LOOKED,
    ),
    Verb(
        "pods",
        NODE,
        node_verbs.pods,
        [
            arguments.add_config,
            monitoring_arguments.add_pods_format,
            arguments.add_use_cdi,
            arguments.add_kubelet_directories,
            arguments.add_root,
        ],
        [
            "rdma-dp pods --config config.json",
            "rdma-dp pods --config config.json --output wide",
        ],
    ),
    Verb(
        "topo",
        NODE,
        node_verbs.topo,
        [arguments.add_topo_arguments, arguments.add_root],
        [
            "rdma-dp topo",
            "rdma-dp topo --config config.json",
            "rdma-dp topo --output svg > node.svg",
        ],
    ),
    Verb(
        "cdi",
        NODE,
        node_verbs.cdi,
        [arguments.add_config, arguments.add_root],
        [
            "rdma-dp cdi --config config.json",
            "rdma-dp cdi --config config.json --root node.tar.gz",
        ],
    ),
    Verb(
        "slices",
        NODE,
        dra_verbs.slices,
        [arguments.add_config, dra_arguments.add_slices_arguments, arguments.add_root],
        [
            "rdma-dp slices --config config.json",
            "rdma-dp slices --config config.json --node node-1 --output yaml",
            "rdma-dp slices --config config.json --root node.tar.gz",
        ],
    ),
    Verb(
        "snapshot",
        NODE,
        node_verbs.snapshot,
        [
            arguments.add_snapshot_arguments,
            arguments.add_config,
            arguments.add_kubelet_directories,
            arguments.add_root,
        ],
        [
            "rdma-dp snapshot node.tar.gz",
            "rdma-dp snapshot node.tar.gz --force --hide my-cluster",
        ],
    ),
    Verb(
        "check-config",
        CONFIG,
        verbs.check_config,
        [arguments.add_config_to_check],
        ["rdma-dp check-config config.json", "rdma-dp check-config config.json --output json"],
    ),
    Verb(
        "dra-class",
        CONFIG,
        dra_verbs.dra_class,
        [arguments.add_config],
        ["rdma-dp dra-class --config config.json > classes.yaml"],
    ),
    Verb("schema", CONFIG, verbs.schema, [], ["rdma-dp schema > schema.json"]),
    RUN,
    Verb(
        "completion",
        OTHER,
        verbs.completion,
        [arguments.add_shell],
        [
            "rdma-dp completion bash > /etc/bash_completion.d/rdma-dp",
            "rdma-dp completion zsh > /usr/local/share/zsh/site-functions/_rdma-dp",
            "rdma-dp completion fish > ~/.config/fish/completions/rdma-dp.fish",
        ],
    ),
]

# Seconds. The Go plugin exits at once without a config, and the operator shows that.
COMPAT_CONFIG_WAIT = 60.0
COMPAT_EXAMPLES = ["k8s-rdma-shared-dp", "k8s-rdma-shared-dp --use-cdi --log-level debug"]


def parser(words: Sequence[str] = ()) -> Parser:
    """The parser of `rdma-dp`, with all verbs, or with the one that a command line begins with.

    The arguments of all verbs take 5 ms, which the start of the daemon can do without.
    """
    verbs = [verb for verb in VERBS if [verb.name] == [*words[:1]]] or VERBS
    made = verbs_parser("rdma-dp", "An RDMA shared device plugin for Kubernetes.", verbs)
    add_version(made)
    return made


def compat_parser() -> Parser:
    """The parser of `k8s-rdma-shared-dp`: the daemon, with the Go plugin's flags and defaults."""
    made = Parser(
        prog="k8s-rdma-shared-dp",
        description=RUN.description,
        epilog=epilog(COMPAT_EXAMPLES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_version(made)
    arguments.add_daemon_arguments(made, set_links_up=True, config_wait=COMPAT_CONFIG_WAIT)
    monitoring_arguments.add_monitoring_arguments(made)
    made.set_defaults(verb=RUN.run, failed=RUN.failed, parser=made)
    return made
