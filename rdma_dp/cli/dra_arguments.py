"""The arguments of the verb `slices`."""

import argparse

_FORMATS = ("table", "yaml", "json")


def add_slices_arguments(parser: argparse.ArgumentParser) -> None:
    """The node's name, and the format of the slices."""
    parser.add_argument(
        "--node",
        metavar="NAME",
        help="name of the node in the cluster (default: the variable NODE_NAME, else NODE)",
    )
    parser.add_argument(
        "-o",
        "--output",
        choices=_FORMATS,
        default=_FORMATS[0],
        metavar="FORMAT",
        help="table, yaml or json (default: %(default)s)",
    )
