"""The arguments of the verbs, with their defaults.

Go's flags take one dash or two. The options of the Go plugin, and those that older versions of
rdma-dp took with one dash, are accepted in both forms; help and completion show two dashes.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rdma_dp.cli.durations import seconds, seconds_or_zero
from rdma_dp.cli.go_flags import go_bool

DEFAULT_CONFIG = Path("/k8s-rdma-shared-dev-plugin/config.json")  # where the operator mounts it
DEFAULT_KUBELET_ROOT = Path("/var/lib/kubelet")
DEFAULT_CDI_DIRECTORY = Path("/var/run/cdi")  # runtimes read it; a reboot empties it
DEFAULT_DEVICE_INFO_DIRECTORY = Path("/var/run/k8s.cni.cncf.io/devinfo/dp")  # where Multus reads

DEFAULT_COUNTING = 10.0  # seconds between two readings of counters

_CONFIG = (
    "config, JSON or YAML, also inside a ConfigMap, a NicClusterPolicy or Helm values; - is "
    "standard input, FILE#NAME one of several configs in FILE"
)

SHELLS = ("bash", "zsh", "fish")


class _Path(argparse.Action):
    """Stores a path. `complete` is the word by which shtab knows what to complete."""

    complete = "file"

    def __init__(self, option_strings: Sequence[str], dest: str, **options: Any) -> None:
        super().__init__(option_strings, dest, type=Path, **options)

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 - argparse's signature
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        setattr(namespace, self.dest, values)


class _Directory(_Path):
    complete = "directory"


def add_config(parser: argparse.ArgumentParser) -> None:
    """The config that the verb tries out."""
    parser.add_argument(
        "--config",
        action=_Path,
        metavar="FILE",
        help=f"{_CONFIG} (default: the config in the snapshot that --root names, else "
        f"{DEFAULT_CONFIG})",
    )


def add_config_to_check(parser: argparse.ArgumentParser) -> None:
    """The config that the verb checks, and the format of the result."""
    parser.add_argument("file", action=_Path, metavar="FILE", help=_CONFIG)
    _add_format(parser, ("text", "json"))


def add_root(parser: argparse.ArgumentParser) -> None:
    """The node to read, if it is not this machine."""
    _add_option(
        parser,
        "root",
        action=_Path,
        default=Path("/"),
        metavar="DIR|FILE",
        help="read this directory (with sys, dev and proc of a node) or this snapshot, and nothing "
        "else (default: %(default)s)",
    )


def add_output(parser: argparse.ArgumentParser, more: Sequence[str] = ()) -> None:
    """The format of the output; `more` are further formats of this verb."""
    _add_format(parser, ("table", "wide", "json", *more))


def add_topo_arguments(parser: argparse.ArgumentParser) -> None:
    """The config whose HCAs are marked, and the format of the drawing."""
    parser.add_argument(
        "--config",
        action=_Path,
        metavar="FILE",
        help=f"{_CONFIG}; its resources are shown at their HCAs (default: none)",
    )
    _add_format(parser, ("table", "svg", "json"))


def add_snapshot_arguments(parser: argparse.ArgumentParser) -> None:
    """The file to write, and what is replaced in it."""
    parser.add_argument("file", action=_Path, metavar="FILE.tar.gz", help="snapshot to write")
    parser.add_argument(
        "--raw",
        action="store_true",
        help="keep MACs, GUIDs, GIDs, IP addresses, host names and serial numbers as they are",
    )
    parser.add_argument(
        "--hide",
        action="append",
        default=[],
        metavar="NAME",
        help="also replace this name, as host names are replaced; may be given several times "
        "(default: none)",
    )
    parser.add_argument("--force", action="store_true", help="overwrite FILE.tar.gz if it exists")


def add_doctor_arguments(parser: argparse.ArgumentParser) -> None:
    """The checks to run, and the format of their results."""
    parser.add_argument(
        "--only",
        type=lambda text: text.split(","),
        default=[],
        metavar="ID,...",
        help="run only these checks; --list shows the ids (default: all)",
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="also show the checks that are ok or do not apply, and each check that could not run "
        "in its own row (default: only with --only)",
    )
    parser.add_argument("--list", action="store_true", help="list the checks and exit")
    parser.add_argument(
        "--counters",
        type=seconds,
        nargs="?",
        const=DEFAULT_COUNTING,
        metavar="SECONDS",
        help="also read the HCAs' counters twice, this many seconds apart (default: not read; "
        f"{DEFAULT_COUNTING:g} if no number is given)",
    )
    _add_format(parser, ("table", "json", "npd"))


def add_shell(parser: argparse.ArgumentParser) -> None:
    """The shell to complete in."""
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help="bash, zsh or fish")


def add_daemon_arguments(
    parser: argparse.ArgumentParser, *, set_links_up: bool, config_wait: float
) -> None:
    """The Go plugin's flags, and ours. The last two are defaults; `config_wait` is in seconds."""
    _add_option(
        parser,
        "config-file",
        action=_Path,
        default=DEFAULT_CONFIG,
        metavar="FILE",
        help="config, JSON or YAML; changes are applied while the daemon runs "
        "(default: %(default)s)",
    )
    _add_config_wait(parser, config_wait)
    _add_choice(
        parser,
        "registration",
        "MODE",
        ("auto", "device-plugins", "plugins-registry"),
        "how to register with kubelet; auto uses the plugin watcher (plugins-registry) if its "
        "directory exists, else a Register call on kubelet.sock (device-plugins)",
    )
    add_kubelet_directories(parser)
    add_use_cdi(parser)
    _add_directory(parser, "cdi-dir", DEFAULT_CDI_DIRECTORY, "directory for CDI specs")
    _add_directory(
        parser,
        "device-info-dir",
        DEFAULT_DEVICE_INFO_DIRECTORY,
        "directory for the device-info files of resources with deviceInfo",
    )
    _add_set_links_up(parser, set_links_up)
    _add_logging(parser)
    text = "read this directory (with sys, dev and proc of a node), and nothing else"
    _add_directory(parser, "root", Path("/"), text)


def _add_config_wait(parser: argparse.ArgumentParser, default: float) -> None:
    _add_option(
        parser,
        "config-wait",
        type=seconds_or_zero,
        default=default,
        metavar="SECONDS",
        help="exit if there is no config after this time, so that the pod is not ready; 0 waits "
        f"without a limit (default: {default:g})",
    )


def add_kubelet_directories(parser: argparse.ArgumentParser) -> None:
    """The directories of kubelet."""
    text = "kubelet's root directory, with device-plugins and plugins_registry"
    _add_directory(parser, "kubelet-root-dir", DEFAULT_KUBELET_ROOT, text)
    _add_option(
        parser,
        "device-plugins-dir",
        action=_Directory,
        metavar="DIR",
        help="directory of kubelet.sock (default: device-plugins in the kubelet root directory)",
    )


def add_use_cdi(parser: argparse.ArgumentParser) -> None:
    """The Go plugin's switch for CDI."""
    text = (
        'give containers CDI names instead of device nodes, as "cdi": "cri" in the config does; '
        "cdi in the config has precedence"
    )
    _add_switch(parser, "use-cdi", text, default=False)


def _add_set_links_up(parser: argparse.ArgumentParser, default: bool) -> None:
    text = (
        "set administratively down netdevs of chosen HCAs up when they appear, as the Go plugin "
        "does; setLinksUp in the config has precedence"
    )
    _add_switch(parser, "set-links-up", text, default=default)


def _add_logging(parser: argparse.ArgumentParser) -> None:
    _add_choice(
        parser, "log-level", "LEVEL", ("info", "debug", "warning"), "least severe level to log"
    )
    _add_choice(parser, "log-format", "FORMAT", ("text", "json"), "format of the log lines")


def _add_format(parser: argparse.ArgumentParser, formats: Sequence[str]) -> None:
    parser.add_argument(
        "-o",
        "--output",
        choices=formats,
        default=formats[0],
        metavar="FORMAT",
        help=f"{_one_of(formats)} (default: %(default)s)",
    )


def _add_choice(
    parser: argparse.ArgumentParser, name: str, metavar: str, choices: Sequence[str], text: str
) -> None:
    """An option with some valid words, of which the first is the default."""
    _add_option(
        parser,
        name,
        choices=choices,
        default=choices[0],
        metavar=metavar,
        help=f"{text}: {_one_of(choices)} (default: %(default)s)",
    )


def _add_directory(parser: argparse.ArgumentParser, name: str, default: Path, text: str) -> None:
    text = f"{text} (default: %(default)s)"
    _add_option(parser, name, action=_Directory, default=default, metavar="DIR", help=text)


def _add_switch(parser: argparse.ArgumentParser, name: str, text: str, *, default: bool) -> None:
    """A boolean flag as Go has it: alone it means true, and it takes a value."""
    _add_option(
        parser,
        name,
        nargs="?",
        const=True,
        default=default,
        type=go_bool,
        metavar="BOOL",
        help=f"{text} (default: {str(default).lower()})",
    )


def _add_option(parser: argparse.ArgumentParser, name: str, **options: Any) -> None:
    """An option with two dashes, and its form with one dash, which help does not show."""
    parser.add_argument(f"--{name}", **options)
    hidden = {**options, "default": argparse.SUPPRESS, "help": argparse.SUPPRESS}
    parser.add_argument(f"-{name}", **hidden)


def _one_of(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"
