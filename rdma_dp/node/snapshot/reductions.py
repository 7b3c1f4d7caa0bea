"""Files of /proc of which an anonymous snapshot has only what the checks need. Pure."""

import re
from collections.abc import Callable

from rdma_dp.host.paths import NVIDIA_VERSION
from rdma_dp.host.processes import membership

_PROCESS = re.compile(r"proc/\d+/(?:task/\d+/)?(stat|status|comm|cgroup)")
_NAME = "process"  # instead of the name of every process


def reduction(path: str) -> Callable[[str], str] | None:
    """What takes the rest out of the file at this path; None for a file that is kept as a whole."""
    if path == NVIDIA_VERSION:
        return _without_builder
    found = _PROCESS.fullmatch(path)
    return None if found is None else _OF_A_PROCESS[found[1]]


def _without_builder(text: str) -> str:
    """Without "(user@host)" and the date of the build."""
    return re.sub(r"(Release Build|Debug Build)?[ ]*\([^()\n]*\)[^\n]*", r"\1", text)


def _stat(text: str) -> str:
    before, bracket, rest = text.partition("(")
    _, end, after = rest.rpartition(")")
    return f"{before}({_NAME}){after}" if bracket and end else text


def _status(text: str) -> str:
    return re.sub(r"^Name:.*", f"Name:\t{_NAME}", text, flags=re.MULTILINE)


def _cgroup(text: str) -> str:
    """The path of a process outside of pods names its service or its user."""
    return "".join(map(_cgroup_line, text.splitlines(keepends=True)))


def _cgroup_line(line: str) -> str:
    if membership(line) is not None:
        return line
    head = ":".join(line.split(":", 2)[:2])
    return f"{head}:/\n" if line.count(":") >= 2 else line


_OF_A_PROCESS: dict[str, Callable[[str], str]] = {
    "stat": _stat,
    "status": _status,
    "comm": lambda _: f"{_NAME}\n",
    "cgroup": _cgroup,
}
