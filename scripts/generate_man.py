"""Writes the man pages rdma-dp.1 and k8s-rdma-shared-dp.1 from the parsers of the command line.

scripts/generate_man.py build/man
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from argparse_manpage.manpage import Manpage

from rdma_dp import __version__
from rdma_dp.cli import verb_table

PAGES = (
    (
        verb_table.parser,
        "share the RDMA HCAs of a node between Kubernetes pods",
        [example for verb in verb_table.VERBS for example in verb.examples],
    ),
    (
        verb_table.compat_parser,
        "the daemon of rdma-dp, with the flags of the Go plugin",
        verb_table.COMPAT_EXAMPLES,
    ),
)


def page(parser: argparse.ArgumentParser, description: str, examples: Iterable[str]) -> str:
    """The man page as roff. The end of the help text becomes the section EXAMPLES."""
    parser.epilog = None
    made = Manpage(parser)
    made.description = description
    made.source = f"rdma-dp {__version__}"
    made.manual = "rdma-dp"
    lines = [example.replace("\\", "\\e").replace("-", "\\-") for example in examples]
    made.add_section("examples", ">", "\n".join([".nf", *lines, ".fi"]))
    return str(made)


def main() -> None:
    """Write the pages into the directory that the command line names."""
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    for make_parser, description, examples in PAGES:
        parser = make_parser()
        path = directory / f"{parser.prog}.1"
        path.write_text(page(parser, description, examples))
        print(path)


if __name__ == "__main__":
    main()
