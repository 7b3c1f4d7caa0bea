"""A text as a value of a selector: its usual spelling, or none if it cannot be one. Pure."""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from rdma_dp.config import placeholders
from rdma_dp.config.problems import InvalidValue
from rdma_dp.config.selector_sets import KEYS
from rdma_dp.config.values import forms, hca_traits, kubernetes, pci_addresses, pf_names

# The usual spelling of a text, by field. A text of another selector has one spelling only.
_NORMALIZED: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {
        "vendors": hca_traits.normalized_hex_id,
        "device_ids": hca_traits.normalized_hex_id,
        "link_types": hca_traits.normalized_link_type,
        "pci_addresses": pci_addresses.normalized,
        "pf_names": pf_names.normalized,
        "function_types": hca_traits.normalized_function_type,
    }
)

# Texts that mean such a value and nothing else. "1" could be an ID as well as a NUMA node, and
# "iwarp" is more than a link type.
_ID = re.compile(r"0x[0-9a-f]{1,4}|[0-9a-f]{4}", re.IGNORECASE)
_PLAIN: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "vendors": _ID,
        "device_ids": _ID,
        "link_types": re.compile(r"ether(net)?|infiniband|ib", re.IGNORECASE),
        "function_types": re.compile("|".join(hca_traits.FUNCTION_TYPES), re.IGNORECASE),
        "numa_nodes": re.compile(r"0|[1-9][0-9]{0,3}"),
    }
)


def value_for(name: str, text: str) -> str | int | None:
    """A text as a value of a selector, in its usual spelling; None if it is none.

    `name` is the name of the selector's field: "if_names".
    """
    plain = _PLAIN.get(name)
    if plain is not None and not plain.fullmatch(text):
        return None
    if name == "numa_nodes":
        node = int(text)
        return node if node <= hca_traits.HIGHEST_NUMA_NODE else None
    value = _NORMALIZED.get(name, str)(text.strip())
    try:
        kubernetes.validated_text(value)
        placeholders.validated(value)
        return forms.checked(KEYS[name], value) if value else None
    except InvalidValue:
        return None
