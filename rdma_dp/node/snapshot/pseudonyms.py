"""Replaces MACs, GUIDs, GIDs, IP addresses, UUIDs, host names and user names in texts. Pure.

Only what is written in one of their forms is replaced. Hex digits without colons could also be
another number. They are replaced only if the same value occurs somewhere in its usual form.
"""

import re
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address
from uuid import UUID

from rdma_dp.node.snapshot.name_pseudonyms import Names
from rdma_dp.node.snapshot.pseudonym_tables import Identities, reversed_bytes

_BEGIN, _END = r"(?<![0-9A-Za-z])", r"(?![0-9A-Za-z])"

# The first form that matches wins. A text is read once, so that no pseudonym is replaced again.
_FORMS = {
    # Names that udev makes from MACs and GUIDs (systemd net_id "x" names, rdma-core rdma_rename).
    "named": rf"{_BEGIN}(?:en|ib|sl|wl|ww|roce|iw|opa|rdma)x"
    r"(?P<digits>[0-9a-f]{16}|[0-9a-f]{12})(?![0-9a-f])",
    # A line of /proc/net/if_inet6, kernel net/ipv6/addrconf.c, if6_seq_show: four numbers follow.
    "kernels_ipv6": rf"{_BEGIN}[0-9a-f]{{32}}(?=(?: [0-9a-f]{{2,8}}){{4}} )",
    # NVIDIA's names of GPUs and their partitions, below /proc and as device ids of kubelet, with or
    # without their prefix.
    "gpu": rf"{_BEGIN}(?:(?:GPU|MIG)-)?(?P<uuid>[0-9A-Fa-f]{{8}}(?:-[0-9A-Fa-f]{{4}}){{3}}"
    rf"-[0-9A-Fa-f]{{12}}){_END}",
    # MAC, EUI-64, GID or IPoIB address: 6, 8, 16 or 20 bytes.
    "octets": rf"{_BEGIN}[0-9A-Fa-f]{{2}}(?:(?P<separator>[:-])[0-9A-Fa-f]{{2}})"
    rf"(?:(?P=separator)[0-9A-Fa-f]{{2}}){{4,18}}{_END}(?!(?P=separator)[0-9A-Fa-f]{{2}}{_END})",
    # A MAC as Cisco's switches write it.
    "dotted": r"(?<![0-9A-Za-z.])[0-9A-Fa-f]{4}(?:\.[0-9A-Fa-f]{4}){2}"
    r"(?![0-9A-Za-z]|\.[0-9A-Za-z])",
    # GUID (four groups of four digits), GID or IPv6 address.
    "groups": rf"{_BEGIN}(?:[0-9A-Fa-f]{{1,4}}|(?=::))(?::[0-9A-Fa-f]{{1,4}}|:(?=:)|(?<=:):){{2,8}}"
    rf"(?:(?:\.[0-9]{{1,3}}){{3}})?{_END}",
    "ipv4": r"(?<![0-9A-Za-z.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9A-Za-z]|\.[0-9])",
    # Any of these without punctuation.
    "digits_alone": rf"{_BEGIN}(?:0[xX])?[0-9A-Fa-f]{{11,40}}{_END}",
}
_NO_NAMES = frozenset({"user", "directory", "domain", "host"})  # forms of names
_HEX = re.compile(r"[^0-9A-Fa-f]")


class Pseudonyms:
    """The pseudonyms of one snapshot.

    `texts` are all its texts, `hosts` the names of hosts, and `kept` those of which only the domain
    is replaced. `directories` are those that can name the site.
    """

    def __init__(
        self,
        texts: Iterable[str],
        hosts: Iterable[str],
        kept: Iterable[str] = (),
        directories: Iterable[str] = (),
    ) -> None:
        self._identities = Identities()
        self._names = Names(hosts, kept, directories)
        forms = {**self._names.forms, **_FORMS}
        self._pattern = re.compile("|".join(f"(?P<{name}>{form})" for name, form in forms.items()))
        self._act: dict[str, Callable[[re.Match[str]], str]] = {
            "user": lambda match: self._names.user(match[0]),
            "directory": lambda match: self._names.directory(match[0]),
            "domain": lambda match: self._names.domain(match[0]),
            "host": lambda match: self._names.host(match[0]),
            "named": self._named,
            "kernels_ipv6": lambda match: self._digits(match[0]),
            "gpu": self._gpu,
            "octets": self._octets,
            "dotted": self._dotted,
            "groups": self._groups,
            "ipv4": self._ipv4,
            "digits_alone": self._digits_alone,
        }
        self._gpus: dict[str, str] = {}  # by their digits
        self._uuids: set[str] = set()
        self._done: dict[tuple[str, frozenset[str]], str] = {}
        for text in dict.fromkeys(texts):
            for match in self._pattern.finditer(text):
                self._note(match)

    def counts(self) -> dict[str, int]:
        """The number of names of each kind that have been replaced so far."""
        ids, names = self._identities.counts(), self._names.counts()
        return {**ids, "UUIDs": len(self._gpus), **names}

    def text(self, text: str, *, keep: frozenset[str] = frozenset()) -> str:
        """The text with pseudonyms. `keep` are forms to keep, such as "ipv4" in a version."""
        key = (text, keep)  # thousands of files are equal
        if key not in self._done:
            self._done[key] = self._replaced(text, keep)
        return self._done[key]

    def path(self, path: str) -> str:
        """The path with pseudonyms in its components, but with its names: a file can be pcie@0."""
        return "/".join(self.text(component, keep=_NO_NAMES) for component in path.split("/"))

    def log_name(self, name: str) -> str:
        """The name of a container's log, in which underscores separate names, with pseudonyms."""
        return "_".join(map(self.text, name.split("_")))

    def process(self, name: str) -> str:
        """The pseudonym of a process name."""
        return self._names.process(name)

    def _replaced(self, text: str, keep: frozenset[str]) -> str:
        def replaced(match: re.Match[str]) -> str:
            form = _form(match)
            return match[0] if form in keep else self._act[form](match)

        return self._pattern.sub(replaced, text)

    def switch_id(self, text: str) -> str:
        """phys_switch_id or phys_port_id: hex digits of a GUID or a MAC, in either byte order."""
        known = self.text(text)
        digits = text.strip()
        if known != text or not re.fullmatch(r"(?:[0-9A-Fa-f]{2}){4,}", digits):
            return known
        blank = text.replace(digits, "{}") if "{" not in text else "{}"
        return blank.format(self._opaque(digits))

    def _opaque(self, digits: str) -> str:
        """The first 16 digits as a GUID. The digits after them differ between ports of a card."""
        head, tail = digits[:16], digits[16:]
        if int(head, 16) == 0:
            return digits
        return f"{self._identities.guid(int(head.ljust(16, '0'), 16)):016x}"[: len(head)] + tail

    # --- originals -----------------------------------------------------------------------------

    def _note(self, match: re.Match[str]) -> None:
        form = _form(match)
        if form == "named":
            self._note_digits(match["digits"])
        elif form == "kernels_ipv6":
            self._note_digits(match[0])
        elif form == "gpu":
            self._uuids.add(match["uuid"].replace("-", "").lower())
        elif form == "dotted":
            self._note_digits(match[0].replace(".", ""))
        elif form == "octets":
            self._note_digits(_HEX.sub("", match[0])[-32:])
        elif form == "groups":
            if _is_guid(match[0]):
                self._identities.note_guid(int(match[0].replace(":", ""), 16))
            elif (gid := _ipv6(match[0])) is not None:
                self._identities.note_gid(gid)
        elif form == "ipv4" and (address := _ipv4(match[0])) is not None:
            self._identities.note_ipv4(address)

    def _note_digits(self, digits: str) -> None:
        note = {
            12: self._identities.note_mac,
            16: self._identities.note_guid,
            32: self._identities.note_gid,
        }.get(len(digits))
        if note is not None:
            note(int(digits, 16))

    # --- replacements --------------------------------------------------------------------------

    def _named(self, match: re.Match[str]) -> str:
        begin = match[0][: -len(match["digits"])]
        return begin + self._digits(match["digits"])

    def _gpu(self, match: re.Match[str]) -> str:
        prefix = match[0][: -len(match["uuid"])]
        digits = self._uuid(match["uuid"].replace("-", "").lower())
        return f"{prefix}{UUID(digits)}"

    def _uuid(self, digits: str) -> str:
        return self._gpus.setdefault(digits, f"{len(self._gpus) + 1:032x}")

    def _dotted(self, match: re.Match[str]) -> str:
        digits = self._digits(match[0].replace(".", ""))
        return _in_case_of(match[0], ".".join((digits[:4], digits[4:8], digits[8:])))

    def _octets(self, match: re.Match[str]) -> str:
        separator = match["separator"]
        digits = match[0].replace(separator, "")
        ahead = 8 if len(digits) == 40 else 0  # IPoIB: flags and queue pair, then a GID (RFC 4391)
        found = digits[:ahead] + self._digits(digits[ahead:])
        pairs = separator.join(found[i : i + 2] for i in range(0, len(found), 2))
        return _in_case_of(match[0], pairs)

    def _digits(self, digits: str) -> str:
        pseudonym = {
            12: self._identities.mac,
            16: self._identities.guid,
            32: self._identities.gid,
        }.get(len(digits))
        return digits if pseudonym is None else f"{pseudonym(int(digits, 16)):0{len(digits)}x}"

    def _groups(self, match: re.Match[str]) -> str:
        text = match[0]
        if _is_guid(text):
            return _in_case_of(text, _in_fours(self._digits(text.replace(":", ""))))
        gid = _ipv6(text)
        if gid is None:
            return text
        pseudonym = self._identities.gid(gid)
        if re.fullmatch(r"[0-9A-Fa-f]{4}(?::[0-9A-Fa-f]{4}){7}", text):
            return _in_case_of(text, _in_fours(f"{pseudonym:032x}"))
        mapped = IPv6Address(pseudonym).ipv4_mapped
        return f"::ffff:{mapped}" if mapped and "." in text else str(IPv6Address(pseudonym))

    def _ipv4(self, match: re.Match[str]) -> str:
        address = _ipv4(match[0])
        return match[0] if address is None else str(IPv4Address(self._identities.ipv4(address)))

    def _digits_alone(self, match: re.Match[str]) -> str:
        text = match[0]
        prefix = text[:2] if text[:2] in ("0x", "0X") else ""
        digits = text[len(prefix) :]
        found = self._known(digits)
        if (
            found is None and prefix and len(digits) < 16
        ):  # printed as a number, without leading zeros
            found = self._known(digits.rjust(16, "0"))
        return text if found is None else prefix + _in_case_of(digits, found)

    def _known(self, digits: str) -> str | None:
        """The pseudonym of hex digits whose value was recorded; None for any other value."""
        ids, value = self._identities, int(digits, 16)
        if digits.lower() in self._uuids:
            return self._uuid(digits.lower())
        if len(digits) == 12 and ids.knows_mac(value):
            return self._digits(digits)
        if len(digits) == 16 and ids.knows_guid(value):
            return self._digits(digits)
        if len(digits) == 16 and ids.knows_guid(reversed_bytes(value)):
            return f"{reversed_bytes(ids.guid(reversed_bytes(value))):016x}"
        if len(digits) in (32, 40) and ids.knows_guid(value & (1 << 64) - 1):
            return digits[:-32] + self._digits(digits[-32:])
        return None


def _form(match: re.Match[str]) -> str:
    return match.lastgroup or ""  # the outermost group, which closes last


def _is_guid(text: str) -> bool:
    return bool(re.fullmatch(r"[0-9A-Fa-f]{4}(?::[0-9A-Fa-f]{4}){3}", text))


def _ipv6(text: str) -> int | None:
    if "::" not in text and text.count(":") < 6:  # most PCI addresses end here
        return None
    try:
        return int(IPv6Address(text))
    except ValueError:
        return None


def _ipv4(text: str) -> int | None:
    try:
        return int(IPv4Address(text))
    except ValueError:
        return None


def _in_fours(digits: str) -> str:
    return ":".join(digits[i : i + 4] for i in range(0, len(digits), 4))


def _in_case_of(model: str, text: str) -> str:
    return text.upper() if model.upper() == model and model.lower() != model else text
