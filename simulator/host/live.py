"""A simulated host on disk, and the changes that it can go through."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from rdma_dp.errors import RdmaDpError
from simulator.host.ibdev import PHYS_STATES, STATES
from simulator.host.layout import lay_out
from simulator.host.manifest import Hca, Manifest
from simulator.host.numbering import Numbering, number
from simulator.host.scene import Condition, Counters, PortState, resolve
from simulator.host.tree import CharNode, Entry, Tree, update


class SimulatedHost:
    """The tree of a simulated host below `root`. Each method writes a complete, consistent tree."""

    def __init__(self, manifest: Manifest, root: Path, *, dev: bool = False) -> None:
        self.root = root
        self.manifest = manifest
        self._dev = dev
        self._numbers: Numbering = number(manifest)
        self._condition = Condition()
        self._tree = Tree()
        self._show(Condition())

    def unplug(self, *hcas: str) -> None:
        """Removes HCAs as unbinding the driver of their functions does.

        That also removes what the driver created: netdevs, other HCAs on the function, SFs, VFs.
        Raises RdmaDpError if this host has no such HCA.
        """
        for hca in hcas:
            self._hca(hca)
        unplugged = self._condition.unplugged.union(hcas)
        self._show(replace(self._condition, unplugged=unplugged))

    def plug(self, *hcas: str) -> None:
        """Adds unplugged HCAs again, with the same numbers."""
        for hca in hcas:
            self._hca(hca)
        unplugged = self._condition.unplugged.difference(hcas)
        self._show(replace(self._condition, unplugged=unplugged))

    def set_port(self, hca: str, port: int, *, state: str, phys_state: str) -> None:
        """Sets the states of a port, such as "DOWN" and "Disabled". The netdev's carrier follows.

        Raises RdmaDpError for an unknown HCA, port or state.
        """
        self._port(hca, port)
        _known(state, STATES, "port state")
        _known(phys_state, PHYS_STATES, "physical port state")
        changed = {**self._condition.ports, (hca, port): PortState(state, phys_state)}
        self._show(replace(self._condition, ports=changed))

    def set_counters(self, hca: str, port: int, counters: Counters) -> None:
        """Sets counters of a port by their paths, such as "counters/symbol_error".

        Others keep their values. None removes a counter. Raises RdmaDpError for an unknown HCA or
        port.
        """
        self._port(hca, port)
        before = self._condition.counters
        changed = {**before, (hca, port): {**before.get((hca, port), {}), **counters}}
        self._show(replace(self._condition, counters=changed))

    def replace(self, manifest: Manifest) -> None:
        """Turns this host into another one."""
        self.manifest = manifest
        self._numbers = number(manifest)
        self._show(Condition())

    def _hca(self, name: str) -> Hca:
        hcas = {n: hca for holder in self.manifest.holders() for n, hca in holder.hcas.items()}
        if name not in hcas:
            raise RdmaDpError(f"no HCA {name} on this host", f"its HCAs: {_list(hcas)}")
        return hcas[name]

    def _port(self, hca: str, port: int) -> None:
        """Raises RdmaDpError if there is no such port."""
        ports = self._hca(hca).ports
        if port not in ports:
            raise RdmaDpError(
                f"{hca} has no port {port}",
                f"its ports: {_list([str(number) for number in ports])}",
            )

    def _show(self, condition: Condition) -> None:
        tree = lay_out(resolve(self.manifest, self._numbers, condition))
        if not self._dev:
            tree = _without_dev(tree)
        update(self.root, self._tree, tree)
        self._tree, self._condition = tree, condition


def build(manifest: Manifest, root: Path, *, dev: bool = False) -> SimulatedHost:
    """Writes the host below `root`, an empty or new directory: sys/ and proc/.

    With `dev`, it also makes the nodes of dev/infiniband, which needs CAP_MKNOD. Raises RdmaDpError
    when the tree cannot be written.
    """
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise RdmaDpError(f"{root} is not empty", "give a new directory for the simulated host")
    root.mkdir(parents=True, exist_ok=True)
    return SimulatedHost(manifest, root, dev=dev)


def _without_dev(tree: Tree) -> Tree:
    """The tree without device nodes and their links. Files that the manifest has in /dev stay."""
    kept: dict[str, Entry] = {
        path: entry
        for path, entry in tree.entries.items()
        if not (isinstance(entry, CharNode) or path.startswith("dev/infiniband/by-"))
    }
    return Tree(kept)


def _known(word: str, known: Collection[str], what: str) -> None:
    if word not in known:
        raise RdmaDpError(f"no {what} {word!r}", f"one of: {_list(known)}")


def _list(words: Collection[str]) -> str:
    return ", ".join(words) or "none"
