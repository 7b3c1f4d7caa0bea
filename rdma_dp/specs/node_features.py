"""The feature file for Node Feature Discovery (NFD), which makes node labels of it. Pure.

Each line is NAME=VALUE. NFD reads the files in features.d and applies the lines as labels. Names
have NFD's own namespace: nfd-master accepts it without a flag, and names without a namespace are
deprecated. The file has no comments, because older versions of NFD do not know them.

Sources: NFD, docs/usage/customization-guide.md, "Local feature source", and source/local/local.go;
Kubernetes, "Labels and Selectors", for the characters of names and values.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from rdma_dp.inventory.hardware import Hca

FILE_NAME = "rdma-dp.features"

_NAMESPACE = "feature.node.kubernetes.io/"
_BEGIN = "rdma-dp."
_LONGEST_NAME = 63  # characters, without the namespace
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
_AT_THE_ENDS = "._-"  # a name must begin and end with a letter or a digit

# The rate in Gb/s of each port, by the hardware key and the name of its HCA and its number.
Rates = Mapping[tuple[str, str, int], float]

NO_RATES: Rates = MappingProxyType({})


def known_rates(hcas: Iterable[Hca], before: Rates = NO_RATES) -> Rates:
    """The rate that each port had when it was last ACTIVE, in Gb/s.

    The kernel reports another rate while a port is down. A label must not change with that.
    """
    found: dict[tuple[str, str, int], float] = {}
    for hca in hcas:
        for port in hca.ports:
            key = (hca.stable_key, hca.name, port.number)
            rate = port.rate if port.state in (None, "ACTIVE") else before.get(key)
            if rate is not None:
                found[key] = rate
    return MappingProxyType(found)


def text(hcas: Iterable[Hca], rates: Rates, gpudirect: Iterable[str] = ()) -> str | None:
    """The file for these shared HCAs; None if there is none: then there must be no file.

    `gpudirect` are the interfaces by which they reach the memory of GPUs.
    """
    labels = _labels(tuple(hcas), rates, gpudirect)
    lines = sorted({f"{_NAMESPACE}{label}\n" for label in labels})
    return "".join(lines) or None


def _labels(hcas: tuple[Hca, ...], rates: Rates, gpudirect: Iterable[str]) -> Iterator[str]:
    if not hcas:
        return
    yield f"{_BEGIN}hcas={len(hcas)}"
    # A whole number: the operators Gt and Lt of a node affinity take nothing else.
    rate = int(max(rates.values(), default=0))
    if rate:
        yield f"{_BEGIN}max-rate-gbps={rate}"
    for hca in hcas:
        for link_type in hca.link_types:
            yield from _has("link", link_type)
        if hca.function is not None and hca.function.driver is not None:
            yield from _has("driver", hca.function.driver)
    for interface in gpudirect:
        yield from _has("gpudirect", interface)


def _has(kind: str, what: str) -> Iterator[str]:
    """A label with the value "true": a node can have several link types and drivers."""
    begin = f"{_BEGIN}{kind}-"
    plain = _NOT_IN_NAMES.sub("-", what).strip(_AT_THE_ENDS)
    cut = plain[: _LONGEST_NAME - len(begin)].strip(_AT_THE_ENDS)
    if cut:
        yield f"{begin}{cut}=true"


def is_ours(file_name: str, content: bytes) -> bool:
    """Whether rdma-dp wrote this file: it has no label of another program."""
    ours = f"{_NAMESPACE}{_BEGIN}".encode()
    return file_name == FILE_NAME and all(line.startswith(ours) for line in content.splitlines())
