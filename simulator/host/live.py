"""A stand-in host on disk, and what can happen to it."""

from collections.abc import Collection
from pathlib import Path

from rdma_dp.errors import RdmaDpError
from simulator.host.ibdev import PHYS_STATES, STATES
from simulator.host.layout import lay_out
from simulator.host.manifest import Hca, Manifest
from simulator.host.numbering import Numbering, number
from simulator.host.scene import Condition, PortState, resolve
from simulator.host.tree import CharNode, Entry, Tree, update


class SimulatedHost:
    """A host's tree below `root`. Every method leaves a complete, consistent tree behind."""

    def __init__(self, manifest: Manifest, root: Path, *, dev: bool = False) -> None:
        self.root = root
        self.manifest = manifest
        self._dev = dev
        self._numbers: Numbering = number(manifest)
        self._condition = Condition()
        self._tree = Tree()
        self._show(Condition())

    def unplug(self, hca: str) -> None:
        """Takes an HCA away as unbinding its function's driver does.

        With it go all that the driver made there: netdevs, other HCAs on the function, SFs, VFs.
        Raises RdmaDpError if this host has no such HCA.
        """
        self._hca(hca)
        unplugged = self._condition.unplugged | {hca}
        self._show(Condition(unplugged, self._condition.ports))

    def plug(self, hca: str) -> None:
        """Brings an unplugged HCA back, with the numbers that it had."""
        self._hca(hca)
        unplugged = self._condition.unplugged - {hca}
        self._show(Condition(unplugged, self._condition.ports))

    def set_port(self, hca: str, port: int, *, state: str, phys_state: str) -> None:
        """Puts a port into these states ("DOWN", "Disabled"); its netdev's carrier follows.

        Raises RdmaDpError for an HCA, a port or a state that does not exist.
        """
        ports = self._hca(hca).ports
        if port not in ports:
            raise RdmaDpError(
                f"{hca} has no port {port}",
                f"its ports: {_list([str(number) for number in ports])}",
            )
        _known(state, STATES, "port state")
        _known(phys_state, PHYS_STATES, "physical port state")
        changed = {**self._condition.ports, (hca, port): PortState(state, phys_state)}
        self._show(Condition(self._condition.unplugged, changed))

    def replace(self, manifest: Manifest) -> None:
        """Turns it into another host."""
        self.manifest = manifest
        self._numbers = number(manifest)
        self._show(Condition())

    def _hca(self, name: str) -> Hca:
        hcas = {n: hca for holder in self.manifest.holders() for n, hca in holder.hcas.items()}
        if name not in hcas:
            raise RdmaDpError(f"no HCA {name} on this host", f"its HCAs: {_list(hcas)}")
        return hcas[name]

    def _show(self, condition: Condition) -> None:
        tree = lay_out(resolve(self.manifest, self._numbers, condition))
        if not self._dev:
            tree = _without_dev(tree)
        update(self.root, self._tree, tree)
        self._tree, self._condition = tree, condition


def build(manifest: Manifest, root: Path, *, dev: bool = False) -> SimulatedHost:
    """Writes the host below `root`, which is empty or not there yet: sys/, proc/ and, with `dev`,
    the nodes of dev/infiniband (this needs CAP_MKNOD).

    Raises RdmaDpError where that is impossible.
    """
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise RdmaDpError(f"{root} is not empty", "give a new directory for the stand-in host")
    root.mkdir(parents=True, exist_ok=True)
    return SimulatedHost(manifest, root, dev=dev)


def _without_dev(tree: Tree) -> Tree:
    """Nodes and their links are left out; a /dev that the manifest itself writes stays."""
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
