"""The network of pods that do not use the node's."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_DEFAULT = {"type": "ptp", "ipam": {"type": "host-local", "subnet": "10.78.0.0/24"}}


def configure() -> str:
    """Give pods addresses of their own network. Returns the directory of the CNI plugins.

    Without it, kubelet does not report the node as ready.
    """
    write()
    plugin = shutil.which("ptp")
    assert plugin
    return str(Path(plugin).parent)


def write(*more: Mapping[str, Any]) -> None:
    """Write the config. `more` are entries of plugins that follow that of the default network."""
    config = {"cniVersion": "0.4.0", "name": "pods", "plugins": [_DEFAULT, *more]}
    directory = Path("/etc/cni/net.d")
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "pods.conflist").write_text(json.dumps(config))
