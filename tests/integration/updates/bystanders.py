"""Foreign files and sockets, which must stay as they are."""

import socket

from rdma_dp.kubelet.sockets import identity
from simulator.kubelet import SimulatedKubelet

OTHERS_SPECS = {
    "nvidia.com-gpu.yaml": "cdiVersion: 0.5.0\nkind: nvidia.com/gpu\n",
    "rdma-dp-tools.json": '{"cdiVersion": "0.5.0", "kind": "example.com/tools"}',
    "rdma-dp-rdma_a.json.bak": '{"kind": "rdma-dp/rdma_a"}',
}
OTHERS_DEVICE_INFO = {
    "intel.com-sriov-0000:02:00.0-device.json": "{}",
    "rdma-a-0000:02:00.0-device.json": "{}",
    "rdma-a-b-0000:02:00.0-0-device.json": "{}",
}


class Bystanders:
    """Foreign files and sockets in kubelet's directories."""

    def __init__(self, kubelet: SimulatedKubelet) -> None:
        dp, pr = kubelet.device_plugins_dir, kubelet.plugins_registry_dir
        for directory in (dp, pr):
            directory.mkdir(parents=True, exist_ok=True)
        files = [dp / "kubelet_internal_checkpoint", dp / "rdma-dp-notes.txt"]
        files += [dp / "rdma-dp-a-123456-abcdef.sock", pr / ".rdma-dp-a-123456-abcdef.sock"]
        for file in files:
            file.write_text("mine")
        self._sockets = [socket.socket(socket.AF_UNIX) for _ in range(2)]
        names = [pr / ".other.sock", pr / ".rdma-dp-b-123456-abcdef.sock"]  # its name is like ours
        for listener, name in zip(self._sockets, names, strict=True):
            listener.bind(str(name))
            listener.listen()
        self._known = {path: identity(path) for path in (*files, *names)}

    def check(self) -> None:
        """All of them exist and are unchanged."""
        assert {path: identity(path) for path in self._known} == self._known

    def close(self) -> None:
        for listener in self._sockets:
            listener.close()
