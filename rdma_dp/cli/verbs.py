"""The verbs: what each reads, what it prints, and its exit code.

What a verb needs is imported in the verb: the daemon must not load tables, nor a table gRPC.
"""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rdma_dp import __version__
from rdma_dp.cli import arguments
from rdma_dp.cli.output import EMPTY_RESOURCE, FAILED, OK, complain, print_json, say
from rdma_dp.errors import RdmaDpError

if TYPE_CHECKING:
    from rdma_dp.config import Loaded, Problem
    from rdma_dp.config.loading import FoundConfig
    from rdma_dp.node.source import NodeSource

logger = logging.getLogger("rdma_dp")


def run(options: argparse.Namespace) -> int:
    """Run the device plugin: advertise the HCAs to kubelet until SIGTERM."""
    # Until the daemon has handlers of its own: as a container's first process it has no defaults.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(OK))
    from rdma_dp import log
    from rdma_dp.daemon.run import run as run_daemon
    from rdma_dp.daemon.settings import Settings
    from rdma_dp.host.root import check_tree
    from rdma_dp.kubelet.directories import KubeletDirectories
    from rdma_dp.kubelet.registration.choice import RegistrationMode

    check_tree(options.root)  # before anything starts
    log.configure(options.log_level, options.log_format)
    logger.info("rdma-dp %s", __version__)
    settings = Settings(
        config_file=options.config_file,
        directories=KubeletDirectories.below(options.kubelet_root_dir, options.device_plugins_dir),
        way=RegistrationMode(options.registration),
        root=options.root,
        set_links_up=options.set_links_up,
        use_cdi=options.use_cdi,
        cdi_directory=options.cdi_dir,
        device_info_directory=options.device_info_dir,
    )
    try:
        asyncio.run(run_daemon(settings))
    except RdmaDpError as error:
        _log_error(error, options.config_file)
        return FAILED
    return OK


def _log_error(error: RdmaDpError, config_file: Path) -> None:
    from rdma_dp.config import ConfigError

    if isinstance(error, ConfigError):
        for problem in error.problems:
            logger.error("%s", problem.in_file(config_file))
    else:
        logger.error("%s", error)


def discover(options: argparse.Namespace) -> int:
    """Show the node's HCAs, and why some cannot be shared."""
    inventory = _root(options.root).scan()
    if options.output == "json":
        from rdma_dp.render import json_documents

        print_json(json_documents.discover(inventory))
    else:
        from rdma_dp.render import console, discover

        wide = options.output == "wide"
        console.show(discover.discover(inventory, wide=wide), wide=wide)
    return OK


def topo(options: argparse.Namespace) -> int:
    """Draw the node: NUMA nodes, PCIe switches, GPUs, HCAs, and the distances between them."""
    from rdma_dp.config.loading import find_config
    from rdma_dp.discovery.pcie_topology import read_topology
    from rdma_dp.render.topology.pcie_tree import View
    from rdma_dp.sharing.selection import choices, select

    loaded = _loaded(find_config(options.config)) if options.config else None
    if options.config and loaded is None:
        return FAILED
    root = _root(options.root)
    inventory = root.scan()
    resources = loaded.config.config_list if loaded else ()
    chosen = choices(select(inventory, resource) for resource in resources)
    view = View(read_topology(root.host, inventory), inventory, chosen)
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
    """Show what a config would do on this node: HCAs, reasons, and what a container would get."""
    from rdma_dp.sharing.pool import make_pools

    root = _root(options.root)
    config = _config(root, options)
    loaded = _loaded(config)
    if loaded is None:
        return FAILED
    inventory = root.scan()
    mode = loaded.config.cdi_mode(use_cdi=options.use_cdi)
    pools = make_pools(loaded.config, inventory, mode)
    warnings = [warning.in_file(config.file) for warning in loaded.warnings]
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
    """Print the CDI specs that a config makes on this node, by the names of their files."""
    from rdma_dp.sharing.pool import make_pools
    from rdma_dp.specs import cdi

    root = _root(options.root)
    config = _config(root, options)
    loaded = _loaded(config)
    if loaded is None:
        return FAILED
    mode = loaded.config.cdi_mode(use_cdi=True)
    pools = make_pools(loaded.config, root.scan(), mode)
    specs = {cdi.file_name(pool.resource): cdi.spec(pool) for pool in pools}
    print_json({name: spec for name, spec in specs.items() if spec is not None})
    for warning in loaded.warnings:
        complain(f"{warning.in_file(config.file)} [warning]")
    for pool in pools:
        if pool.why_empty is not None:
            complain(f"{pool.resource.full_name} has no HCA, so no spec: {pool.why_empty}")
    return OK if all(specs.values()) else EMPTY_RESOURCE


def doctor(options: argparse.Namespace) -> int:
    """Find what keeps RDMA from working on this node, and tell what to type."""
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
    root = _root(options.root)
    node = view_node(
        root,
        _config(root, options),
        use_cdi=options.use_cdi,
        kubelet_root=options.kubelet_root_dir,
        device_plugins=options.device_plugins_dir,
        count_for=options.counters,
    )
    results = examine(node, checks)
    if options.output == "json":
        print_json(doctor.document(results))
    else:
        console.show(doctor.table(results))
    verdict = worst(result.verdict for result in results)
    return {Verdict.WARN: 1, Verdict.FAIL: 2}.get(verdict, OK)


def snapshot(options: argparse.Namespace) -> int:
    """Put all that rdma-dp reads of a node into a file, with stand-ins for what names it."""
    from rdma_dp.doctor.examination import examine_node
    from rdma_dp.node.capture import KubeletPlaces, take
    from rdma_dp.node.snapshot import archive_writing
    from rdma_dp.render import snapshot as told

    archive_writing.check_place(options.file, replace=options.force)
    root = _root(options.root)
    taken = take(
        root,
        _config(root, options),
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
    """Check a config file: one line per problem, as `file:path: message (hint)`."""
    from rdma_dp.config.loading import find_config

    loaded = _loaded(find_config(options.file))
    if loaded is None:
        return FAILED
    _say_warnings(loaded.warnings, options.file)
    count = len(loaded.config.config_list)
    say(f"{options.file}: good, {count} resource{'s' * (count != 1)}")
    return OK


def _config(root: "NodeSource", options: argparse.Namespace) -> "FoundConfig":
    """The config that the command line names, or that of a snapshot, or the usual one."""
    from rdma_dp.config.loading import find_config

    if options.config is None and root.config is not None:
        complain(f"the config is {root.config.file} as {options.root} has it")
        return root.config
    return find_config(options.config or arguments.DEFAULT_CONFIG)


def _loaded(found: "FoundConfig") -> "Loaded | None":
    """A config, or None when all that is wrong with it has been said."""
    from rdma_dp import config

    try:
        return found.load()
    except config.ConfigError as error:
        for problem in error.problems:
            say(problem.in_file(found.file))
        _say_warnings(error.warnings, found.file)
        return None


def _say_warnings(warnings: "Sequence[Problem]", file: Path) -> None:
    for warning in warnings:
        say(f"{warning.in_file(file)} [warning]")


def schema(options: argparse.Namespace) -> int:  # noqa: ARG001 - the signature of a verb
    """Print the JSON Schema of the config file."""
    from rdma_dp import config

    print_json(config.json_schema())
    return OK


def _root(path: Path) -> "NodeSource":
    from rdma_dp.node.source import open_source

    return open_source(path)
