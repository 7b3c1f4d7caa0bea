"""The verbs: what each reads, what it prints, and its exit code. A docstring is the verb's help.

Each verb imports what it needs in its body. So the daemon does not load the tables, and a verb
that shows a table does not load gRPC.
"""

import argparse
import asyncio
import logging
import signal
import sys
from typing import TYPE_CHECKING

from rdma_dp import __version__
from rdma_dp.cli.config_input import found_config, loaded_config, log_problems, say_warnings
from rdma_dp.cli.output import EMPTY_RESOURCE, FAILED, OK, complain, print_json, say
from rdma_dp.errors import RdmaDpError

if TYPE_CHECKING:
    from rdma_dp.config.loading import FoundConfig
    from rdma_dp.kubelet.views import PodResources
    from rdma_dp.node.source import NodeSource
    from rdma_dp.node.view import NodeView

logger = logging.getLogger("rdma_dp")


def run(options: argparse.Namespace) -> int:
    """Run the device plugin: advertise the HCAs to kubelet until SIGTERM."""
    # The kernel ignores SIGTERM for a container's first process unless the process handles it.
    # The daemon sets its own handler later.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(OK))
    from rdma_dp import log
    from rdma_dp.config import Defaults
    from rdma_dp.daemon.run import run as run_daemon
    from rdma_dp.daemon.settings import Settings
    from rdma_dp.host.root import check_tree
    from rdma_dp.kubelet.directories import KUBELET_SOCKET, KubeletDirectories
    from rdma_dp.kubelet.registration.choice import RegistrationMode

    if str(options.config_file) == "-":
        complain("--config-file takes a file that can change, not standard input")
        return FAILED
    check_tree(options.root)  # report a wrong --root before anything starts
    log.configure(options.log_level, options.log_format)
    logger.info("rdma-dp %s", __version__)
    settings = Settings(
        config_file=options.config_file,
        directories=KubeletDirectories.below(options.kubelet_root_dir, options.device_plugins_dir),
        mode=RegistrationMode(options.registration),
        root=options.root,
        defaults=Defaults(options.use_cdi, options.set_links_up),
        cdi_directory=options.cdi_dir,
        device_info_directory=options.device_info_dir,
        metrics=options.metrics,
        pod_resources=options.kubelet_root_dir / "pod-resources" / KUBELET_SOCKET,
        probe_socket=options.probe_socket,
    )
    try:
        asyncio.run(run_daemon(settings))
    except RdmaDpError as error:
        log_problems(logger, error, options.config_file)
        return FAILED
    return OK


def discover(options: argparse.Namespace) -> int:
    """List the node's HCAs, and why some of them cannot be shared."""
    inventory = _source(options).scan()
    if options.output == "json":
        from rdma_dp.render import json_documents

        print_json(json_documents.discover(inventory))
    else:
        from rdma_dp.render import console, discover

        wide = options.output == "wide"
        console.show(discover.discover(inventory, wide=wide), wide=wide)
    return OK


def topo(options: argparse.Namespace) -> int:
    """Draw the node: NUMA nodes, PCIe switches, GPUs and HCAs, and the distances between them."""
    from rdma_dp.discovery.pcie_topology import read_topology
    from rdma_dp.render.topology.pcie_tree import View
    from rdma_dp.sharing.selection import choices, ports_taken, select

    loaded = loaded_config(found_config(options.config)) if options.config else None
    if options.config and loaded is None:
        return FAILED
    source = _source(options)
    inventory = source.scan()
    resources = loaded.config.config_list if loaded else ()
    selections = [select(inventory, resource) for resource in resources]
    topology = read_topology(source.host, inventory)
    view = View(topology, inventory, choices(selections), ports_taken(selections))
    if options.output == "json":
        from rdma_dp.render import json_documents

        print_json(json_documents.topo(view))
    elif options.output == "svg":
        from rdma_dp.render.topology import svg

        say(svg.drawing(view))
    else:
        from rdma_dp.render import console
        from rdma_dp.render.topology import drawing

        console.show(drawing.drawing(view))
    return OK


def dry_run(options: argparse.Namespace) -> int:
    """Show what a config does on this node: the chosen HCAs, and what a container gets."""
    from rdma_dp.sharing.pool import make_pools

    source, config = _open(options)
    loaded = loaded_config(config, use_cdi=options.use_cdi)
    if loaded is None:
        return FAILED
    inventory = source.scan()
    pools = make_pools(loaded.config, inventory)
    warnings = [warning.in_file(config.name) for warning in loaded.warnings]
    if options.output == "json":
        from rdma_dp.render import json_documents

        print_json(json_documents.dry_run(inventory, pools, warnings))
    elif options.output == "explain":
        from rdma_dp.render import console, explain

        console.show(explain.dry_run(pools))
    else:
        from rdma_dp.render import console, dry_run

        console.show(dry_run.dry_run(inventory, pools, warnings), wide=options.output == "wide")
    return OK if all(pool.hcas for pool in pools) else EMPTY_RESOURCE


def cdi(options: argparse.Namespace) -> int:
    """Print the CDI specs that a config makes on this node, each under its file name."""
    from rdma_dp.sharing.pool import make_pools
    from rdma_dp.specs import cdi

    source, config = _open(options)
    loaded = loaded_config(config, use_cdi=True)
    if loaded is None:
        return FAILED
    pools = make_pools(loaded.config, source.scan())
    specs = {cdi.file_name(pool.resource.full_name): cdi.spec(pool) for pool in pools}
    print_json({name: spec for name, spec in specs.items() if spec is not None})
    for warning in loaded.warnings:
        complain(f"{warning.in_file(config.name)} [warning]")
    for pool in pools:
        if pool.why_empty is not None:
            complain(f"{pool.resource.full_name} has no HCA, so no spec: {pool.why_empty}")
    return OK if all(specs.values()) else EMPTY_RESOURCE


def doctor(options: argparse.Namespace) -> int:
    """Check why RDMA does not work on this node, and suggest commands that fix it."""
    from rdma_dp.config import Defaults
    from rdma_dp.doctor.catalogue import chosen
    from rdma_dp.doctor.check import Verdict, worst
    from rdma_dp.doctor.examination import examine
    from rdma_dp.node.view import view_node
    from rdma_dp.render import console, doctor

    checks = chosen(options.only)
    if options.list:
        if options.output == "json":
            print_json(doctor.catalogue_document(checks))
        else:
            console.show(doctor.catalogue(checks))
        return OK
    source, config = _open(options)
    node = view_node(
        source,
        config,
        defaults=Defaults(use_cdi=options.use_cdi),
        kubelet_root=options.kubelet_root_dir,
        device_plugins=options.device_plugins_dir,
        count_for=options.counters,
    )
    results = examine(node, checks)
    if options.output == "json":
        print_json(doctor.document(results))
    else:
        console.show(doctor.table(results, every=options.all or bool(options.only)))
    verdict = worst(result.verdict for result in results)
    return {Verdict.WARN: 1, Verdict.FAIL: 2}.get(verdict, OK)


def pods(options: argparse.Namespace) -> int:
    """List the pods that hold slots, their HCAs, and who owns queue pairs."""
    from rdma_dp.config import Defaults
    from rdma_dp.monitoring.usage import usage
    from rdma_dp.node.view import view_node
    from rdma_dp.render import console, pods

    source, config = _open(options)
    if loaded_config(config, use_cdi=options.use_cdi) is None:
        return FAILED
    node = view_node(
        source,
        config,
        defaults=Defaults(use_cdi=options.use_cdi),
        kubelet_root=options.kubelet_root_dir,
        device_plugins=options.device_plugins_dir,
    )
    pools = {pool.resource.full_name: pool for pool in node.pools}
    found = usage(node.host, pools, _pod_resources(node), node.answers.queue_pairs)
    if options.output == "json":
        print_json(pods.document(found))
    else:
        wide = options.output == "wide"
        console.show(pods.table(found, wide=wide), wide=wide)
    return FAILED if found.pods is None else OK


def _pod_resources(node: "NodeView") -> "PodResources | str":
    """kubelet's list of pods, or why there is none."""
    kubelet = node.answers.kubelet
    if kubelet is None:
        return "a captured tree does not have kubelet's list"
    why = f"{kubelet.why_no_pod_resources}. Needs {kubelet.root}/pod-resources and root"
    return kubelet.pod_resources or why


def snapshot(options: argparse.Namespace) -> int:
    """Save everything rdma-dp reads from this node to a file.

    Names and addresses are replaced by pseudonyms.
    """
    from rdma_dp.doctor.examination import examine_node
    from rdma_dp.node.capture import KubeletPlaces, take
    from rdma_dp.node.snapshot import archive_writing
    from rdma_dp.render import snapshot as told

    archive_writing.check_place(options.file, replace=options.force)
    source, config = _open(options)
    taken = take(
        source,
        config,
        KubeletPlaces(options.kubelet_root_dir, options.device_plugins_dir),
        [examine_node],
        raw=options.raw,
        hide=options.hide,
    )
    archive_writing.write(taken.packed, options.file, replace=options.force)
    for line in told.lines(taken, options.file):
        say(line)
    return OK


def check_config(options: argparse.Namespace) -> int:
    """Check a config file.

    Each problem is one line: `file:path: message (hint)`.
    """
    found = found_config(options.file, quiet=True)
    loaded = loaded_config(found)
    if loaded is None:
        return FAILED
    say_warnings(loaded.warnings, found)
    count = len(loaded.config.config_list)
    origin = "" if found.inside is None else f" (in {found.inside})"
    say(f"{found.name}: good, {count} resource{'s' * (count != 1)}{origin}")
    return OK


def schema(options: argparse.Namespace) -> int:  # noqa: ARG001 - the signature of a verb
    """Print the JSON Schema of the config file."""
    from rdma_dp import config

    print_json(config.json_schema())
    return OK


def completion(options: argparse.Namespace) -> int:
    """Print a script that completes rdma-dp's verbs, options and file names in a shell.

    To load it in the current bash: source <(rdma-dp completion bash)
    """
    import shtab

    from rdma_dp.cli.verb_table import parser

    say(shtab.complete(parser(), options.shell))
    return OK


def _open(options: argparse.Namespace) -> "tuple[NodeSource, FoundConfig]":
    """The node of --root, with the config of --config, of the snapshot, or of the usual path."""
    source = _source(options)
    if options.config is None and source.config is not None:
        complain(f"using the config {source.config.file} from {options.root}")
        return source, source.config
    return source, found_config(options.config)


def _source(options: argparse.Namespace) -> "NodeSource":
    from rdma_dp.node.source import open_source

    return open_source(options.root)
