"""A stand-in for Multus, which is not on the module proxy: it gives pods a second network.

It is a CNI plugin that follows that of the default network. If a pod has the annotation of Multus,
it calls the plugin of the network with that name, for the interface net1. Multus reads networks
from the API server. Here they are in the plugin's own config, and containerd passes on the
annotations of the pod. It runs as a file, with the standard library alone.

CNI: https://www.cni.dev/docs/spec (version 0.4.0), containerd: pkg/cri/annotations.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ANNOTATION = "k8s.v1.cni.cncf.io/networks"
INTERFACE = "net1"

_CAPABILITY = "io.kubernetes.cri.pod-annotations"


def entry(networks: dict[str, Any]) -> dict[str, Any]:
    """Its entry in the list of plugins. `networks` are CNI configs by their names."""
    name = Path(__file__).stem
    return {"type": name, "capabilities": {_CAPABILITY: True}, "networks": networks}


def main() -> int:
    """Answer one call of the container runtime, which is in the environment and in stdin."""
    config = json.load(sys.stdin)
    annotations = config.get("runtimeConfig", {}).get(_CAPABILITY, {})
    if name := annotations.get(ANNOTATION):
        called = _call(config["networks"][name])
        if called.returncode != 0:
            sys.stdout.write(called.stdout)  # the plugin's error, as JSON
            return called.returncode
    if os.environ["CNI_COMMAND"] == "ADD":
        sys.stdout.write(json.dumps(config["prevResult"]))  # of the default network
    return 0


def _call(network: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (str(Path(os.environ["CNI_PATH"], network["type"])),),
        input=json.dumps(network),
        env={**os.environ, "CNI_IFNAME": INTERFACE},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )


if __name__ == "__main__":
    sys.exit(main())
