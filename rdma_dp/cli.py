"""The command line: verbs, what they print and their exit codes.

The only place that prints or exits. 0: all is well; 1: something is wrong, and a line on stderr
says what; 2: the command line itself is wrong; 3: `dry-run` or `cdi` found a resource without an
HCA. `doctor` says by 0, 1 or 2 what the worst is that it found: nothing, a warning, a failure; and
by 3 that it could not look.
"""

import argparse
import asyncio
import errno
import io
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rdma_dp import __version__, arguments
from rdma_dp.errors import RdmaDpError
from rdma_dp.printable import printable

if TYPE_CHECKING:
    from rdma_dp.config import Loaded, Problem
    from rdma_dp.config_found import FoundConfig
    from rdma_dp.root import Root

OK, FAILED, EMPTY_RESOURCE = 0, 1, 3
NOT_LOOKED = 3  # of doctor, whose 1 and 2 are verdicts
INTERRUPTED = 128 + 2  # as a shell names an end by SIGINT

logger = logging.getLogger("rdma_dp")


def main(words: Sequence[str] | None = None) -> int:
    """The entry point `rdma-dp`."""
    return _run_verb(_parser().parse_args(words))


def compat_main(words: Sequence[str] | None = None) -> int:
    """The entry point `k8s-rdma-shared-dp`: the daemon, with the Go plugin's flags."""
    parser = argparse.ArgumentParser(
        prog="k8s-rdma-shared-dp", description=_run.__doc__, allow_abbrev=False
    )
    arguments.add_version(parser)
    arguments.add_daemon_arguments(parser, set_links_up=True)
    parser.set_defaults(verb=_run, failed=FAILED)
    return _run_verb(parser.parse_args(words))


def _run_verb(options: argparse.Namespace) -> int:
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name that a kernel or a config has may not be text; it must not end in a traceback.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = int(options.verb(options))
        if sys.stdout:  # None when the caller closed it
            sys.stdout.flush()  # a reader that has gone is met here, not at the very end
    except RdmaDpError as error:
        _complain(str(error))
        return int(options.failed)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # `rdma-dp discover | head`
        _drop_output()
        return OK
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _complain(f"cannot write the output: {error.strerror}")
        _drop_output()
        return FAILED
    return code


def _drop_output() -> None:
    """What is still in the buffer has nowhere to go, and must not fail again at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(line: str) -> None:
    print(f"rdma-dp: {printable(line)}", file=sys.stderr)  # noqa: T201


def _say(line: str) -> None:
    print(printable(line))  # noqa: T201


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rdma-dp",
        description="An RDMA shared device plugin for Kubernetes.",
        allow_abbrev=False,
    )
    arguments.add_version(parser)
    verbs = parser.add_subparsers(metavar="VERB", required=True)

    def verb(name: str, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        text = (run.__doc__ or "").splitlines()[0]
        added = verbs.add_parser(name, help=text, description=run.__doc__, allow_abbrev=False)
        added.set_defaults(verb=run, failed=FAILED)
        return added

    arguments.add_daemon_arguments(verb("run", _run), set_links_up=False)
    discover = verb("discover", _discover)
    arguments.add_root(discover)
    arguments.add_output(discover)
    topo = verb("topo", _topo)
    arguments.add_topo_arguments(topo)
    arguments.add_root(topo)
    dry_run = verb("dry-run", _dry_run)
    arguments.add_config(dry_run)
    arguments.add_use_cdi(dry_run)
    arguments.add_root(dry_run)
    arguments.add_output(dry_run, "explain")
    cdi = verb("cdi", _cdi)
    arguments.add_config(cdi)
    arguments.add_root(cdi)
    doctor = verb("doctor", _doctor)
    arguments.add_config(doctor)
    arguments.add_use_cdi(doctor)
    arguments.add_root(doctor)
    arguments.add_kubelet_directories(doctor)
    arguments.add_doctor_arguments(doctor)
    doctor.set_defaults(failed=NOT_LOOKED)
    snapshot = verb("snapshot", _snapshot)
    arguments.add_snapshot_arguments(snapshot)
    arguments.add_config(snapshot)
    arguments.add_root(snapshot)
    arguments.add_kubelet_directories(snapshot)
    verb("check-config", _check_config).add_argument("file", type=Path, metavar="FILE")
    verb("schema", _schema)
    demo = verb("demo", _demo)
    demo.add_argument(
        "--host", default="dgx-h100", metavar="SAMPLE|DIR", help="default: %(default)s"
    )
    demo.add_argument("--config", type=Path, metavar="FILE", help="instead of the demo's own")
    return parser


# --- verbs --------------------------------------------------------------------------------------
# What a verb needs is imported in the verb: the daemon must not load tables, nor a table gRPC.


def _run(options: argparse.Namespace) -> int:
    """Run the device plugin: advertise the HCAs to kubelet until SIGTERM."""
    # Until the daemon has handlers of its own: as a container's first process it has no defaults.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(OK))
    from rdma_dp import daemon, log
    from rdma_dp.kubelet.registration import KubeletDirectories, Way
    from rdma_dp.root import open_directory

    open_directory(options.root)  # a wrong --root is said before anything starts
    log.configure(options.log_level, options.log_format)
    logger.info("rdma-dp %s", __version__)
    settings = daemon.Settings(
        config_file=options.config_file,
        directories=KubeletDirectories.below(options.kubelet_root_dir, options.device_plugins_dir),
        way=Way(options.registration),
        root=options.root,
        set_links_up=options.set_links_up,
        use_cdi=options.use_cdi,
        cdi_directory=options.cdi_dir,
        device_info_directory=options.device_info_dir,
    )
    try:
        asyncio.run(daemon.run(settings))
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


def _discover(options: argparse.Namespace) -> int:
    """Show the node's HCAs, and why some cannot be shared."""
    inventory = _root(options.root).scan()
    if options.output == "json":
        from rdma_dp.render import documents

        _print_json(documents.discover(inventory))
    else:
        from rdma_dp.render import tables

        wide = options.output == "wide"
        tables.show(tables.discover(inventory, wide=wide), wide=wide)
    return OK


def _topo(options: argparse.Namespace) -> int:
    """Draw the node: NUMA nodes, PCIe switches, GPUs, HCAs, and the distances between them."""
    from rdma_dp.config_found import find_config
    from rdma_dp.discovery.pcie import read_topology
    from rdma_dp.render.pcie_tree import View
    from rdma_dp.selection import choices, select

    loaded = _loaded(find_config(options.config)) if options.config else None
    if options.config and loaded is None:
        return FAILED
    root = _root(options.root)
    inventory = root.scan()
    resources = loaded.config.config_list if loaded else ()
    chosen = choices(select(inventory, resource) for resource in resources)
    view = View(read_topology(root.host, inventory), inventory, chosen)
    if options.output == "json":
        from rdma_dp.render import documents

        _print_json(documents.topo(view))
    elif options.output == "svg":
        from rdma_dp.render import topo_svg

        _say(topo_svg.drawing(view))
    else:
        from rdma_dp.render import tables, topo

        tables.show(topo.drawing(view))
    return OK


def _dry_run(options: argparse.Namespace) -> int:
    """Show what a config would do on this node: HCAs, reasons, and what a container would get."""
    from rdma_dp.pool import make_pools

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
        from rdma_dp.render import documents

        _print_json(documents.dry_run(inventory, pools, warnings))
    elif options.output == "explain":
        from rdma_dp.render import explain, tables

        tables.show(explain.dry_run(pools))
    else:
        from rdma_dp.render import tables

        tables.show(tables.dry_run(inventory, pools, warnings), wide=options.output == "wide")
    return OK if all(pool.hcas for pool in pools) else EMPTY_RESOURCE


def _cdi(options: argparse.Namespace) -> int:
    """Print the CDI specs that a config makes on this node, by the names of their files."""
    from rdma_dp import cdi
    from rdma_dp.pool import make_pools

    root = _root(options.root)
    config = _config(root, options)
    loaded = _loaded(config)
    if loaded is None:
        return FAILED
    mode = loaded.config.cdi_mode(use_cdi=True)
    pools = make_pools(loaded.config, root.scan(), mode)
    specs = {cdi.file_name(pool.resource): cdi.spec(pool) for pool in pools}
    _print_json({name: spec for name, spec in specs.items() if spec is not None})
    for warning in loaded.warnings:
        _complain(f"{warning.in_file(config.file)} [warning]")
    for pool in pools:
        if pool.why_empty is not None:
            _complain(f"{pool.resource.full_name} has no HCA, so no spec: {pool.why_empty}")
    return OK if all(specs.values()) else EMPTY_RESOURCE


def _doctor(options: argparse.Namespace) -> int:
    """Find what keeps RDMA from working on this node, and tell what to type."""
    from rdma_dp.doctor.catalogue import chosen
    from rdma_dp.doctor.check import Verdict, worst
    from rdma_dp.doctor.examination import examine
    from rdma_dp.doctor.sight import sight_of
    from rdma_dp.render import doctor, tables

    checks = chosen(options.only)
    if options.list:
        if options.output == "json":
            _print_json(doctor.catalogue_document(checks))
        else:
            tables.show(doctor.catalogue(checks))
        return OK
    root = _root(options.root)
    sight = sight_of(
        root,
        _config(root, options),
        use_cdi=options.use_cdi,
        kubelet_root=options.kubelet_root_dir,
        device_plugins=options.device_plugins_dir,
        count_for=options.counters,
    )
    results = examine(sight, checks)
    if options.output == "json":
        _print_json(doctor.document(results))
    else:
        tables.show(doctor.table(results))
    verdict = worst(result.verdict for result in results)
    return {Verdict.WARN: 1, Verdict.FAIL: 2}.get(verdict, OK)


def _snapshot(options: argparse.Namespace) -> int:
    """Put all that rdma-dp reads of a node into a file, with stand-ins for what names it."""
    from rdma_dp.asking import ask
    from rdma_dp.render import snapshot as told
    from rdma_dp.snapshot import archive_writing
    from rdma_dp.snapshot_taking import take

    archive_writing.check_place(options.file, replace=options.force)
    root = _root(options.root)
    directories = (options.kubelet_root_dir, options.device_plugins_dir)
    taken = take(
        root,
        _config(root, options),
        lambda host: ask(host, *directories),
        raw=options.raw,
        hide=options.hide,
    )
    archive_writing.write(taken.packed, options.file, replace=options.force)
    for line in told.lines(taken, options.file):
        _say(line)
    return OK


def _check_config(options: argparse.Namespace) -> int:
    """Check a config file: one line per problem, as `file:path: message (hint)`."""
    from rdma_dp.config_found import find_config

    loaded = _loaded(find_config(options.file))
    if loaded is None:
        return FAILED
    _say_warnings(loaded.warnings, options.file)
    count = len(loaded.config.config_list)
    _say(f"{options.file}: good, {count} resource{'s' * (count != 1)}")
    return OK


def _config(root: "Root", options: argparse.Namespace) -> "FoundConfig":
    """The config that the command line names, or that of a snapshot, or the usual one."""
    from rdma_dp.config_found import find_config

    if options.config is None and root.config is not None:
        _complain(f"the config is {root.config.file} as {options.root} has it")
        return root.config
    return find_config(options.config or arguments.DEFAULT_CONFIG)


def _loaded(found: "FoundConfig") -> "Loaded | None":
    """A config, or None when all that is wrong with it has been said."""
    from rdma_dp import config

    try:
        return found.load()
    except config.ConfigError as error:
        for problem in error.problems:
            _say(problem.in_file(found.file))
        _say_warnings(error.warnings, found.file)
        return None


def _say_warnings(warnings: "Sequence[Problem]", file: Path) -> None:
    for warning in warnings:
        _say(f"{warning.in_file(file)} [warning]")


def _schema(options: argparse.Namespace) -> int:  # noqa: ARG001 - the signature of a verb
    """Print the JSON Schema of the config file."""
    from rdma_dp import config

    _print_json(config.json_schema())
    return OK


def _demo(options: argparse.Namespace) -> int:
    """Show the real daemon at work on a sample host: no HCA, no kubelet, no root, ten seconds."""
    from rdma_dp import demo

    asyncio.run(demo.run(options.host, options.config, say=_say))
    return OK


def _print_json(document: dict[str, Any]) -> None:
    print(json.dumps(document, indent=2, ensure_ascii=False))  # noqa: T201


def _root(path: Path) -> "Root":
    from rdma_dp.root import open_root

    return open_root(path)
