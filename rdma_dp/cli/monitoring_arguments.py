"""The daemon's options for metrics, probes and node labels. The Go plugin has none of them."""

import argparse
from pathlib import Path

from rdma_dp.errors import RdmaDpError
from rdma_dp.monitoring.address import Address


def add_monitoring_arguments(parser: argparse.ArgumentParser) -> None:
    """Where metrics and probes are served, and where the feature file is written."""
    parser.add_argument(
        "--metrics",
        type=_address,
        metavar="ADDRESS:PORT",
        help="serve Prometheus metrics at http://ADDRESS:PORT/metrics (default: not served)",
    )
    parser.add_argument(
        "--probe-socket",
        type=_absolute,
        metavar="PATH",
        help="serve kubelet's probes on this Unix socket, for rdma-dp-probe (default: not served)",
    )
    parser.add_argument(
        "--nfd-features",
        type=_absolute,
        metavar="DIR",
        help="write node labels for Node Feature Discovery into this directory, its features.d "
        "(default: not written)",
    )


def add_pods_format(parser: argparse.ArgumentParser) -> None:
    """The format of `rdma-dp pods`."""
    parser.add_argument(
        "-o",
        "--output",
        choices=("table", "wide", "json"),
        default="table",
        metavar="FORMAT",
        help="table, wide (with the ids of the slots) or json (default: %(default)s)",
    )


def _address(text: str) -> Address:
    try:
        return Address.parse(text)
    except RdmaDpError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _absolute(text: str) -> Path:
    if not text.startswith("/"):
        raise argparse.ArgumentTypeError(f"{text!r} is no absolute path, such as /run/probe.sock")
    return Path(text)
