"""Pseudonyms for the names of hosts, domains, users and directories. Pure."""

import re
from collections.abc import Iterable, Iterator
from itertools import count

_DOMAIN = "example.net"  # RFC 2606


def host_pattern(names: Iterable[str]) -> str:
    """A regular expression for host names. A dash or a dot ends one, an underscore does not."""
    words = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    return rf"(?<![0-9A-Za-z_])(?i:{words})(?![0-9A-Za-z_])"


def _domains(name: str) -> Iterator[str]:
    """The domain of a host and those above it, without the top level."""
    domain = name.partition(".")[2]
    while "." in domain:
        yield domain
        domain = domain.partition(".")[2]


class Names:
    """The names of one snapshot.

    `hosts` are known host names, with or without their domains. The first labels of `kept` stay.
    Other hosts of all these domains, and of the domains above them, get pseudonyms when they are
    found.
    """

    def __init__(
        self, hosts: Iterable[str], kept: Iterable[str], directories: Iterable[str]
    ) -> None:
        wanted = dict.fromkeys(each.strip().strip(".").lower() for each in hosts)
        self._free = (text for n in count(1) if (text := f"host-{n}") not in wanted)
        self._hosts: dict[str, str] = {}
        self._domains: set[str] = set()
        self._users: dict[str, str] = {}
        self._processes: dict[str, str] = {}
        self._directories = {path: f"/directory-{n}" for n, path in enumerate(directories, 1)}
        for name in filter(None, wanted):
            label, _, domain = name.partition(".")
            self._hosts.setdefault(label, self._hosts.get(label) or next(self._free))
            if domain:
                self._hosts[name] = f"{self._hosts[label]}.{_DOMAIN}"
            self._domains.update(_domains(name))
        for name in kept:
            self._domains.update(_domains(name.strip().strip(".").lower()))

    @property
    def forms(self) -> dict[str, str]:
        """A regular expression for each kind of name."""
        found = {"user": r"(?<![0-9A-Za-z._%+-])[0-9A-Za-z._%+-]+@[0-9A-Za-z][0-9A-Za-z._-]*"}
        if self._directories:
            paths = sorted(self._directories, key=len, reverse=True)
            found["directory"] = rf"(?<![\w./-])(?:{'|'.join(map(re.escape, paths))})(?![\w.-])"
        if self._domains:
            domains = "|".join(map(re.escape, sorted(self._domains, key=len, reverse=True)))
            label = r"[0-9A-Za-z_](?:[0-9A-Za-z_-]*[0-9A-Za-z_])?"
            found["domain"] = rf"(?<![0-9A-Za-z_])(?i:(?:{label}\.)*(?:{domains}))(?![0-9A-Za-z_])"
        if self._hosts:
            found["host"] = host_pattern(self._hosts)
        return found

    def host(self, name: str) -> str:
        """The pseudonym of a host, with or without its domain."""
        return self._hosts[name.lower()]

    def domain(self, name: str) -> str:
        """The pseudonym of a domain, or of a host in it."""
        name = name.lower()
        if name in self._domains:
            return _DOMAIN
        if name not in self._hosts:
            self._hosts[name] = f"{next(self._free)}.{_DOMAIN}"
        return self._hosts[name]

    def user(self, name: str) -> str:
        """The pseudonym of "user@host"."""
        return self._users.setdefault(name.lower(), f"user-{len(self._users) + 1}@{_DOMAIN}")

    def process(self, name: str) -> str:
        """The pseudonym of a process name."""
        return self._processes.setdefault(name, f"process-{len(self._processes) + 1}")

    def directory(self, path: str) -> str:
        """The pseudonym of a directory."""
        return self._directories[path]

    def counts(self) -> dict[str, int]:
        """The number of pseudonyms of each kind."""
        hosts = {*self._hosts.values(), *([_DOMAIN] if self._domains else [])}
        return {
            "host names": len(hosts),
            "user names": len(self._users),
            "process names": len(self._processes),
            "directories": len(self._directories),
        }
