"""The arguments of the verbs, and what they are where nobody gives them.

The daemon's are the Go plugin's flags, which Go reads with one dash or two, and ours, likewise.
"""

import argparse
from pathlib import Path

from rdma_dp import __version__

DEFAULT_CONFIG = Path("/k8s-rdma-shared-dev-plugin/config.json")  # where the operator mounts it
DEFAULT_KUBELET_ROOT = Path("/var/lib/kubelet")
DEFAULT_CDI_DIRECTORY = Path("/var/run/cdi")  # one of the two that runtimes read; gone at a reboot
DEFAULT_DEVICE_INFO_DIRECTORY = Path("/var/run/k8s.cni.cncf.io/devinfo/dp")  # where Multus reads

DEFAULT_COUNTING = 10.0  # seconds between two readings of counters
_LONGEST_COUNTING = 3600.0


def add_version(parser: argparse.ArgumentParser) -> None:
    """--version, and -v as in Go."""
    parser.add_argument(
        "-v", "-version", "--version", action="version", version=f"rdma-dp {__version__}"
    )


def add_config(parser: argparse.ArgumentParser) -> None:
    """The config to try out."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help=f"default: the one in the snapshot that --root names, else {DEFAULT_CONFIG}",
    )


def add_root(parser: argparse.ArgumentParser) -> None:
    """The host to look at, if it is not this machine."""
    parser.add_argument(
        *_one_dash_or_two("root"),
        type=Path,
        default=Path("/"),
        metavar="DIR|FILE",
        help="read another host's tree (DIR/sys, DIR/dev, DIR/proc) or a snapshot, nothing else",
    )


def add_output(parser: argparse.ArgumentParser, *more: str) -> None:
    """The form of what is shown; `more` are further ones of this verb."""
    parser.add_argument(
        "-o",
        "--output",
        choices=("table", "wide", "json", *more),
        default="table",
        help="default: %(default)s",
    )


def add_topo_arguments(parser: argparse.ArgumentParser) -> None:
    """Whose HCAs to mark, and the form of the drawing."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="tell which resource hands out which HCA"
    )
    parser.add_argument(
        "-o",
        "--output",
        choices=("table", "svg", "json"),
        default="table",
        help="default: %(default)s",
    )


def add_snapshot_arguments(parser: argparse.ArgumentParser) -> None:
    """Where it goes, and what stays as it is."""
    parser.add_argument("file", type=Path, metavar="FILE.tar.gz")
    parser.add_argument(
        "--raw",
        action="store_true",
        help="leave MACs, GUIDs, GIDs, IP addresses, host names and serial numbers as they are",
    )
    parser.add_argument(
        "--hide",
        action="append",
        default=[],
        metavar="NAME",
        help="a name to replace too, as those of hosts are; may be given several times",
    )
    parser.add_argument("--force", action="store_true", help="replace FILE.tar.gz if it is there")


def add_doctor_arguments(parser: argparse.ArgumentParser) -> None:
    """Which checks, and the form of what they find."""
    parser.add_argument(
        "--only",
        type=lambda text: text.split(","),
        default=[],
        metavar="ID,...",
        help="these checks alone",
    )
    parser.add_argument("--list", action="store_true", help="list the checks and end")
    parser.add_argument(
        "--counters",
        type=_seconds,
        nargs="?",
        const=DEFAULT_COUNTING,
        metavar="SECONDS",
        help="also read the HCAs' counters twice, so long apart (default: %(const)s)",
    )
    parser.add_argument(
        "-o", "--output", choices=("table", "json"), default="table", help="default: %(default)s"
    )


def add_daemon_arguments(parser: argparse.ArgumentParser, *, set_links_up: bool) -> None:
    """The Go plugin's flags, which Go reads with one dash or two, and ours."""
    parser.add_argument(
        *_one_dash_or_two("config-file"), type=Path, default=DEFAULT_CONFIG, metavar="FILE"
    )
    add_kubelet_directories(parser)
    parser.add_argument(
        *_one_dash_or_two("registration"),
        choices=("auto", "device-plugins", "plugins-registry"),
        default="auto",
        help="auto: plugins-registry if that directory exists, else Register on kubelet.sock",
    )
    add_use_cdi(parser)
    _add_directory(
        parser,
        "cdi-dir",
        DEFAULT_CDI_DIRECTORY,
        "where CDI specs are written (default: %(default)s)",
    )
    _add_directory(
        parser,
        "device-info-dir",
        DEFAULT_DEVICE_INFO_DIRECTORY,
        "where device-info files are written, for resources with deviceInfo (default: %(default)s)",
    )
    _add_switch(
        parser,
        "set-links-up",
        set_links_up,
        "set the administratively down netdevs of chosen HCAs up when they appear, as the Go "
        "plugin does; setLinksUp in the config wins (default: %(default)s)",
    )
    parser.add_argument(
        *_one_dash_or_two("log-level"), choices=("debug", "info", "warning"), default="info"
    )
    parser.add_argument(*_one_dash_or_two("log-format"), choices=("text", "json"), default="text")
    text = "run on another host's tree: DIR/sys, DIR/dev, DIR/proc, and nothing else"
    _add_directory(parser, "root", Path("/"), text)


def add_kubelet_directories(parser: argparse.ArgumentParser) -> None:
    """Where kubelet is."""
    _add_directory(
        parser,
        "kubelet-root-dir",
        DEFAULT_KUBELET_ROOT,
        "holds device-plugins and plugins_registry (default: %(default)s)",
    )
    _add_directory(
        parser, "device-plugins-dir", None, "where kubelet.sock is, if not below kubelet's root"
    )


def add_use_cdi(parser: argparse.ArgumentParser) -> None:
    """The Go plugin's switch for CDI."""
    _add_switch(
        parser,
        "use-cdi",
        False,
        'give containers CDI names instead of device nodes, as "cdi": "cri" in the config,'
        " which wins (default: %(default)s)",
    )


def _add_directory(
    parser: argparse.ArgumentParser, name: str, default: Path | None, text: str
) -> None:
    parser.add_argument(
        *_one_dash_or_two(name), type=Path, default=default, metavar="DIR", help=text
    )


def _add_switch(parser: argparse.ArgumentParser, name: str, default: object, text: str) -> None:
    """A flag of Go's: alone it means true, and it takes a value."""
    parser.add_argument(
        *_one_dash_or_two(name),
        nargs="?",
        const=True,
        default=default,
        type=_go_bool,
        metavar="BOOL",
        help=text,
    )


def _one_dash_or_two(name: str) -> tuple[str, str]:
    return f"-{name}", f"--{name}"


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 < seconds <= _LONGEST_COUNTING:  # NaN is neither
        raise argparse.ArgumentTypeError(
            f"{text!r} is no number of seconds up to {_LONGEST_COUNTING:g}"
        )
    return seconds


def _go_bool(text: str) -> bool:
    """A boolean as Go's package flag reads it (strconv.ParseBool)."""
    if text in ("1", "t", "T", "true", "TRUE", "True"):
        return True
    if text in ("0", "f", "F", "false", "FALSE", "False"):
        return False
    raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
