"""The environment of a process, of which only a few variables of NCCL are read. Pure.

An environment holds passwords and tokens. So every reader uses `variables` or `without_secrets`,
which know the names and the forms of values that may be kept. A value of another form becomes "?".
"""

import re
from collections.abc import Iterator, Mapping

GID_INDEX, HCAS, GDR_LEVEL = "NCCL_IB_GID_INDEX", "NCCL_IB_HCA", "NCCL_NET_GDR_LEVEL"

ODD = "?"
"""Stands for a value that has none of the forms that NCCL knows."""

# With the quotes and blanks of a slip in a manifest, which NCCL takes as part of a name.
_FORMS = {
    GID_INDEX: re.compile(rb"[0-9+ \"'-]{1,12}"),
    HCAS: re.compile(rb"[\^=]{0,2}[0-9A-Za-z_.:, \"'-]{0,2000}"),
    GDR_LEVEL: re.compile(rb"[0-9A-Za-z \"']{1,10}"),
}

LARGEST = 1 << 20  # bytes that are read of an environment


def is_environment(path: str) -> bool:
    """Whether a path is that of an environment, /proc/PID/environ."""
    return path.rpartition("/")[2] == "environ"


def variables(environ: bytes) -> Mapping[str, str]:
    """The variables that are set and may be kept. Of a name that is there twice, the first counts.

    A last variable without its NUL may be cut off and is left out.
    """
    found: dict[str, str] = {}
    for name, value in _known(environ):
        found.setdefault(name, value)
    return {name: value for name, value in found.items() if value}


def without_secrets(environ: bytes) -> bytes:
    """An environment with nothing but the variables that may be kept."""
    return b"".join(f"{name}={value}\0".encode() for name, value in _known(environ))


def _known(environ: bytes) -> Iterator[tuple[str, str]]:
    for variable in environ.split(b"\0")[:-1]:
        name, equals, value = variable.partition(b"=")
        form = _FORMS.get(name.decode("latin-1"))
        if form is not None and equals:
            kept = not value or form.fullmatch(value)
            yield name.decode(), value.decode() if kept else ODD
