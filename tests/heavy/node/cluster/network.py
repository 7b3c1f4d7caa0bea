"""The network of pods that do not use the node's."""

import json
import shutil
from pathlib import Path

_NETWORK = {
    "cniVersion": "0.4.0",
    "name": "pods",
    "plugins": [{"type": "ptp", "ipam": {"type": "host-local", "subnet": "10.78.0.0/24"}}],
}


def configure() -> str:
    """Give pods addresses of their own network. Returns the directory of the CNI plugins.

    Without it, kubelet does not report the node as ready.
    """
    directory = Path("/etc/cni/net.d")
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "pods.conflist").write_text(json.dumps(_NETWORK))
    plugin = shutil.which("ptp")
    assert plugin
    return str(Path(plugin).parent)
