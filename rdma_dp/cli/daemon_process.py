"""The verb `run` from its arguments to the daemon's end."""

import argparse
import asyncio
import logging
from collections.abc import Callable

from rdma_dp import __version__, log
from rdma_dp.cli.config_input import log_problems
from rdma_dp.cli.output import FAILED, OK, complain
from rdma_dp.cli.parser_process import parser_process
from rdma_dp.config import Defaults
from rdma_dp.daemon import run as daemon_run
from rdma_dp.daemon.config_parsing import SeparateParser
from rdma_dp.daemon.first_scan import FirstScan
from rdma_dp.daemon.settings import Settings
from rdma_dp.errors import RdmaDpError
from rdma_dp.host.root import check_tree
from rdma_dp.kubelet.directories import KubeletDirectories
from rdma_dp.kubelet.registration.choice import RegistrationMode

logger = logging.getLogger("rdma_dp")


def run_daemon(
    options: argparse.Namespace, first_scan: FirstScan, started: Callable[[], None]
) -> int:
    """Runs the daemon and returns the exit code. `started` is called when its event loop runs."""
    if str(options.config_file) == "-":
        complain("--config-file takes a file that can change, not standard input")
        return FAILED
    check_tree(options.root)  # report a wrong --root before anything starts
    log.configure(options.log_level, options.log_format)
    logger.info("rdma-dp %s", __version__)
    settings = _settings(options, first_scan)

    async def serve() -> None:
        started()
        await daemon_run.run(settings)

    try:
        asyncio.run(serve())
    except RdmaDpError as error:
        log_problems(logger, error, options.config_file)
        return FAILED
    return OK


def _settings(options: argparse.Namespace, first_scan: FirstScan) -> Settings:
    return Settings(
        config_file=options.config_file,
        directories=KubeletDirectories.below(options.kubelet_root_dir, options.device_plugins_dir),
        mode=RegistrationMode(options.registration),
        root=options.root,
        defaults=Defaults(options.use_cdi, options.set_links_up),
        cdi_directory=options.cdi_dir,
        device_info_directory=options.device_info_dir,
        metrics=options.metrics,
        probe_socket=options.probe_socket,
        nfd_features=options.nfd_features,
        config_wait=options.config_wait or None,
        first_scan=first_scan,
        parse=SeparateParser(parser_process, options.parser_process).parse,
    )
