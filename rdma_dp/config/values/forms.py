"""Values whose form shows that another selector is meant: a PCI address given as a driver.

A form is a guess where the values are names. `sharing.misplaced` asks the node instead.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from rdma_dp.config.problems import InvalidValue, shown
from rdma_dp.config.values import globs, hca_traits, kernel_names, pci_addresses, pf_names

# The kernel's own names of HCAs (drivers/infiniband/hw), and those of rdma-core's rename for RoCE.
_HCA = re.compile(
    r"(mlx[45]_|mlx5_bond_|hfi1_|qib|bnxt_re|irdma|i40iw|hns_|efa_|erdma_|mana_|ionic_|qedr"
    r"|ocrdma|cxgb4_|mthca|usnic_|vmw_pvrdma|rxe|siw|zxdh_|xscale_)[0-9*?]+"
    r"|(roce|iw)[opsx][0-9a-f*?][\w*?]*"
)
# The kernel's and systemd's names of interfaces (systemd.net-naming-scheme(7)). systemd's names of
# IPoIB interfaces (ibp24s0) are rdma-core's names of InfiniBand HCAs as well.
_INTERFACE = re.compile(r"(eth|ib|bond)[0-9*?]+|en[osx][0-9a-f*?][\w*?]*|en[pP][0-9*?][\w*?]*")
_IPOIB = re.compile(r"ib[sp][0-9*?][\w*?]*")
_DRIVERS = re.compile(
    r"mlx[45]_core|ice|i40e|iavf|idpf|bnxt_en|efa|mana|hfi1|ib_qib|qede"
    r"|ionic|erdma|hns3|cxgb4|be2net|vfio-pci|rdma_rxe|mlx5_vfio_pci"
)
_NUMBERED = re.compile(r"[^#]+#[0-9][0-9,-]*")  # a PF with numbers of VFs: "ens1f0np0#0-3"
_NODE = re.compile(r"(?:/dev/infiniband/)?((?:uverbs|umad|issm)[0-9*?]+)")
_MODEL = re.compile(r"(?i:connect-?x.*|bluefield.*|cx-?[3-9]|mt[0-9]{4,5}\b.*|e8[123]0\b.*)")
_ID_PAIR = re.compile(r"\[?(?:0x)?([0-9a-f]{4}):(?:0x)?([0-9a-f]{4})\]?")  # as lspci -nn shows it
_ID = re.compile(
    r"0[xX][0-9a-fA-F]{4}|(?=[a-fA-F]*[0-9])[0-9a-fA-F]{4}"
)  # a digit, because "face" is a word

_BETWEEN = re.compile(r"[\s,;|]+")  # between several values in one text
_SHOWN = 4  # values in a hint

_OF_A_MODEL = 'write its ID, as `lspci -nn` shows it, in "deviceIDs", such as "1021" for ConnectX-7'

# What the values of a selector are.
WANTED = MappingProxyType(
    {
        "vendors": "PCI vendor IDs",
        "deviceIDs": "PCI device IDs",
        "drivers": "drivers of PCI functions",
        "ifNames": "network interfaces",
        "linkTypes": "link types",
        "rdmaDevices": "names of HCAs",
        "pciAddresses": "PCI addresses",
        "pfNames": "network interfaces of PFs",
        "functionTypes": "types of functions",
        "numaNodes": "NUMA nodes",
    }
)


@dataclass(frozen=True, slots=True)
class Form:
    """What a value looks like, the selectors for such values, and what to write there.

    Without selectors, no selector takes the value; `instead` is what to write for it.
    """

    noun: str
    selectors: tuple[str, ...]
    spelling: str | None = None
    instead: str | None = None
    others: tuple[str, ...] = ()  # selectors that `instead` names

    @property
    def advised(self) -> tuple[str, ...]:
        """The selectors that the hint names."""
        return self.others or self.selectors

    @property
    def hint(self) -> str:
        """Where the value belongs."""
        if self.instead is not None:
            return self.instead
        return f"its place is {self.spelling or shown(self.selectors[0])}"


# The check of each selector whose values are texts.
CHECKS: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {
        "vendors": hca_traits.validated_vendor,
        "deviceIDs": hca_traits.validated_device_id,
        "drivers": kernel_names.validated_driver,
        "ifNames": kernel_names.validated_interface,
        "linkTypes": hca_traits.validated_link_type,
        "rdmaDevices": kernel_names.validated_hca,
        "pciAddresses": pci_addresses.validated,
        "pfNames": pf_names.validated,
        "functionTypes": hca_traits.validated_function_type,
    }
)


def checked(selector: str, text: str) -> str:
    """A value that its selector accepts. Raises InvalidValue.

    The hint names the selector for which the value would be right, if its form shows one.
    """
    try:
        return CHECKS[selector](text)
    except InvalidValue as refused:
        form = other_form(selector, text)
        if form is not None and not globs.doubtful(text):
            hint = f"it looks like {form.noun}: {form.hint}"
            raise InvalidValue(refused.message, hint, form.advised) from None
        if several := several_in(selector, text):
            raise InvalidValue(refused.message, several.hint) from None
        raise


def is_accepted(selector: str, text: str) -> bool:
    """Whether a selector accepts a value."""
    try:
        CHECKS[selector](text)
    except InvalidValue:
        return False
    return True


def several_in(selector: str, text: str) -> InvalidValue | None:
    """The problem of a text with several values of a selector; None if it is one value."""
    values = [each for each in _BETWEEN.split(globs.outside_brackets(text)) if each]
    if "#" in text or len(values) < 2 or not all(is_accepted(selector, v) for v in values):
        return None
    hint = f"write one value for each: [{', '.join(map(shown, values[:_SHOWN]))}]"
    return InvalidValue("holds several values", hint)


def other_form(selector: str, text: str) -> Form | None:
    """What a value looks like, if its selector is another one; None if the form shows nothing."""
    short = hca_traits.SHORT_DRIVERS.get(text.strip().lower())
    if short and selector == "drivers":
        return Form("a short name", (), f'"drivers": ["{short}"]')
    form = next(_forms(text.strip()), None)
    return None if form is None or selector in form.selectors else form


def _forms(text: str) -> Iterator[Form]:
    """The forms of a value; the surest comes first."""
    name, outside = text.lower(), globs.outside_brackets(text)
    yield from _forms_of_no_selector(text, name)
    if ":" in text and is_accepted("pciAddresses", pci_addresses.normalized(text)):
        yield Form("a PCI address", ("pciAddresses",))
    if hca_traits.normalized_link_type(text) in hca_traits.LINK_TYPES:
        yield Form("a link type", ("linkTypes",))
    if name.removeprefix("0x") in hca_traits.VENDOR_IDS.values():
        yield Form("a vendor ID", ("vendors",))
    if vendor := hca_traits.VENDOR_IDS.get(name):
        yield Form("the name of a vendor", ("vendors",), f'"vendors": ["{vendor}"]')
    for pattern, form in _PATTERNS:
        if pattern.fullmatch(outside):
            yield form


def _forms_of_no_selector(text: str, name: str) -> Iterator[Form]:
    """The forms that no selector takes as they are. `name` is the text in small letters."""
    if pair := _ID_PAIR.fullmatch(name):
        ids = f'"vendors": ["{pair[1]}"] and "deviceIDs": ["{pair[2]}"]'
        yield Form("a vendor ID and a device ID", (), ids)
    if node := _NODE.fullmatch(text):
        shows = f"`cat /sys/class/infiniband_*/{node[1]}/ibdev` shows it"
        hint = f'write its HCA in "rdmaDevices"; {shows}'
        yield Form("a device node", (), instead=hint, others=("rdmaDevices",))
    if drivers := hca_traits.PCI_DRIVERS.get(name):
        listed = " or ".join(map(shown, drivers))
        yield Form("an RDMA module", (), instead=f'write its PCI driver in "drivers": {listed}')
    if _MODEL.fullmatch(text):
        yield Form("the name of a model", (), instead=_OF_A_MODEL)


_PATTERNS = (
    (_ID, Form("a PCI ID", ("deviceIDs", "vendors"), '"deviceIDs" or "vendors"')),
    (
        re.compile("|".join(hca_traits.FUNCTION_TYPES)),
        Form("a type of function", ("functionTypes",)),
    ),
    (_DRIVERS, Form("a driver", ("drivers",))),
    (_HCA, Form("the name of an HCA", ("rdmaDevices",))),
    (_INTERFACE, Form("a network interface", ("ifNames", "pfNames"))),
    (_IPOIB, Form("a network interface", ("ifNames", "pfNames", "rdmaDevices"))),
    (_NUMBERED, Form("a PF with numbers of VFs", ("pfNames",))),
)
