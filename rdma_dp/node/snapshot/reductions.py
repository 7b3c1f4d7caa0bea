"""Files of /proc of which an anonymous snapshot has only what the checks need. Pure."""

import re
from collections.abc import Callable
from functools import partial

from rdma_dp.host.paths import NVIDIA_VERSION
from rdma_dp.host.processes import membership

_PROCESS = re.compile(r"proc/\d+/(?:task/\d+/)?(stat|status|comm|cgroup)")


def reduction(path: str, process: Callable[[str], str]) -> Callable[[str], str] | None:
    """Removes the rest of the file at this path; None for a file that is kept as a whole.

    `process` returns the pseudonym of a process name.
    """
    if path == NVIDIA_VERSION:
        return _without_builder
    found = _PROCESS.fullmatch(path)
    if found is None:
        return None
    return _cgroup if found[1] == "cgroup" else partial(_RENAMED[found[1]], process=process)


def _without_builder(text: str) -> str:
    """Without "(user@host)" and the date of the build."""
    return re.sub(r"(Release Build|Debug Build)?[ ]*\([^()\n]*\)[^\n]*", r"\1", text)


def _stat(text: str, process: Callable[[str], str]) -> str:
    before, bracket, rest = text.partition("(")
    name, end, after = rest.rpartition(")")
    return f"{before}({process(name)}){after}" if bracket and end else text


def _status(text: str, process: Callable[[str], str]) -> str:
    return re.sub(
        r"^Name:\s*(.*)", lambda name: f"Name:\t{process(name[1])}", text, flags=re.MULTILINE
    )


def _comm(text: str, process: Callable[[str], str]) -> str:
    return f"{process(text.rstrip(chr(10)))}\n"


_RENAMED = {"stat": _stat, "status": _status, "comm": _comm}


def _cgroup(text: str) -> str:
    """The path of a process outside of pods names its service or its user."""
    return "".join(map(_cgroup_line, text.splitlines(keepends=True)))


def _cgroup_line(line: str) -> str:
    if membership(line) is not None:
        return line
    head = ":".join(line.split(":", 2)[:2])
    return f"{head}:/\n" if line.count(":") >= 2 else line
