"""The verbs that read a node: what each reads, what it prints, and its exit code.

A docstring is the verb's help. Each verb imports what it needs in its body, as in verbs.py.
"""

import argparse
from typing import TYPE_CHECKING

from rdma_dp.cli.config_input import (
    complain_of_empty,
    complain_of_warnings,
    found_config,
    loaded_config,
)
from rdma_dp.cli.output import (
    EMPTY_RESOURCE,
    FAILED,
    NPD_OK,
    NPD_PROBLEM,
    NPD_UNKNOWN,
    OK,
    complain,
    print_json,
    print_lines,
    say,
)

if TYPE_CHECKING:
    from rdma_dp.config import Loaded
    from rdma_dp.config.loading import FoundConfig
    from rdma_dp.doctor.examination import Result
    from rdma_dp.inventory.hardware import Inventory
    from rdma_dp.inventory.topology import Topology
    from rdma_dp.kubelet.views import PodResources
    from rdma_dp.node.source import NodeSource
    from rdma_dp.node.view import NodeView
    from rdma_dp.render.topology.pcie_tree import DraRoots


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
    dra = _dra_roots(loaded, inventory, topology)
    view = View(topology, inventory, choices(selections), ports_taken(selections), dra)
    if options.output == "json":
        from rdma_dp.render import json_documents

        print_json(json_documents.topo(view))
    elif options.output == "svg":
        from rdma_dp.render.topology import svg

        print_lines(svg.drawing(view))
    else:
        from rdma_dp.render import console
        from rdma_dp.render.topology import drawing

        console.show(drawing.drawing(view))
    return OK


def _dra_roots(
    loaded: "Loaded | None", inventory: "Inventory", topology: "Topology"
) -> "DraRoots | None":
    from rdma_dp.dra.pcie_roots import published_roots
    from rdma_dp.render.topology.pcie_tree import DraRoots
    from rdma_dp.sharing.pool import make_pools

    if loaded is None or not loaded.config.uses_dra:
        return None
    overrides, pools = loaded.config.dra.pcie_roots, make_pools(loaded.config, inventory)
    return DraRoots(published_roots(pools, topology, overrides), overrides)


def dry_run(options: argparse.Namespace) -> int:
    """Show what a config does on this node: the chosen HCAs, and what a container gets."""
    from rdma_dp.sharing.pool import make_pools

    source, config = opened(options)
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

    source, config = opened(options)
    loaded = loaded_config(config, use_cdi=True)
    if loaded is None:
        return FAILED
    pools = make_pools(loaded.config, source.scan())
    specs = {cdi.file_name(pool.resource.full_name): cdi.spec(pool) for pool in pools}
    print_json({name: spec for name, spec in specs.items() if spec is not None})
    complain_of_warnings(loaded.warnings, config)
    complain_of_empty(pools, "spec")
    return OK if all(specs.values()) else EMPTY_RESOURCE


def doctor(options: argparse.Namespace) -> int:
    """Check why RDMA does not work on this node, and suggest commands that fix it.

    --output npd is for Node Problem Detector: one line, and the exit code 0, 1 if a check failed,
    or 2 if no check could run.
    """
    from rdma_dp.doctor.catalogue import chosen
    from rdma_dp.doctor.check import Verdict, worst
    from rdma_dp.render import console, doctor

    if options.list:
        checks = chosen(options.only)
        if options.output == "json":
            print_json(doctor.catalogue_document(checks))
        else:
            console.show(doctor.catalogue(checks))
        return OK
    if options.output == "npd":
        return _npd(options)
    results = _examined(options)
    if options.output == "json":
        print_json(doctor.document(results))
    else:
        console.show(doctor.table(results, every=options.all or bool(options.only)))
    verdict = worst(result.verdict for result in results)
    return {Verdict.WARN: 1, Verdict.FAIL: 2}.get(verdict, OK)


def _npd(options: argparse.Namespace) -> int:
    """The doctor as a custom plugin of Node Problem Detector, which reads only stdout."""
    from rdma_dp.doctor.check import Verdict
    from rdma_dp.errors import RdmaDpError
    from rdma_dp.render import npd

    try:
        verdict, line = npd.report(_examined(options))
    except RdmaDpError as error:
        verdict, line = Verdict.UNKNOWN, npd.line(str(error))
    say(line)
    return {Verdict.OK: NPD_OK, Verdict.FAIL: NPD_PROBLEM}.get(verdict, NPD_UNKNOWN)


def _examined(options: argparse.Namespace) -> "tuple[Result, ...]":
    from rdma_dp.doctor.catalogue import chosen
    from rdma_dp.doctor.examination import examine

    checks = chosen(options.only)
    source, config = opened(options)
    node = _viewed(options, source, config, count_for=options.counters, ask_cluster=True)
    return examine(node, checks)


def _viewed(
    options: argparse.Namespace,
    source: "NodeSource",
    config: "FoundConfig",
    *,
    count_for: float | None = None,
    ask_cluster: bool = False,
) -> "NodeView":
    """The node with this config, and what kubelet answers in the directories of the options."""
    from rdma_dp.config import Defaults
    from rdma_dp.node.view import view_node

    return view_node(
        source,
        config,
        defaults=Defaults(use_cdi=options.use_cdi),
        kubelet_root=options.kubelet_root_dir,
        device_plugins=options.device_plugins_dir,
        count_for=count_for,
        ask_cluster=ask_cluster,
    )


def pods(options: argparse.Namespace) -> int:
    """List the pods that hold slots, their HCAs, and who owns queue pairs."""
    from rdma_dp.monitoring.usage import usage
    from rdma_dp.render import console, pods

    source, config = opened(options)
    if loaded_config(config, use_cdi=options.use_cdi) is None:
        return FAILED
    node = _viewed(options, source, config)
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
    source, config = opened(options)
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


def opened(options: argparse.Namespace) -> "tuple[NodeSource, FoundConfig]":
    """The node of --root, with the config of --config, of the snapshot, or of the usual path."""
    source = _source(options)
    if options.config is None and source.config is not None:
        complain(f"using the config {source.config.file} from {options.root}")
        return source, source.config
    return source, found_config(options.config)


def _source(options: argparse.Namespace) -> "NodeSource":
    from rdma_dp.node.source import open_source

    return open_source(options.root)
