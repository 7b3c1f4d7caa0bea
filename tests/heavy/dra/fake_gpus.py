"""A fake GPU driver: it publishes the GPUs of the simulated host, and gives containers nothing.

It stands in for NVIDIA's driver, so that the scheduler can put a pod's HCA next to its GPU.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc

from rdma_dp.kubelet.api import dra_pb2, dra_pb2_grpc, pluginregistration_pb2_grpc
from rdma_dp.kubelet.api import pluginregistration_pb2 as pb
from tests.heavy.dra.dra_cluster import DraCluster
from tests.heavy.dra.manifests import device_class
from tests.heavy.node import private
from tests.heavy.node.kubelet import PLUGINS_REGISTRY
from tests.heavy.node.private import HOST
from tests.heavy.node.process import wait_until

DRIVER = "fake-gpu.rdma-dp.test"
CLASS = "gpu.nvidia.com"  # as in the examples of deploy/

_ROOT = "resource.kubernetes.io/pcieRoot"
_DISPLAY = "0x0302"  # the PCI class of a GPU for compute


class _Plugin(dra_pb2_grpc.DRAPluginServicer, pluginregistration_pb2_grpc.RegistrationServicer):
    def __init__(self) -> None:
        self.registered = False

    def GetInfo(self, _request: object, _context: object) -> Any:
        versions = ["v1.DRAPlugin"]
        return pb.PluginInfo(type="DRAPlugin", name=DRIVER, supported_versions=versions)

    def NotifyRegistrationStatus(self, request: Any, _context: object) -> Any:
        self.registered = request.plugin_registered
        return pb.RegistrationStatusResponse()

    def NodePrepareResources(self, request: Any, _context: object) -> Any:
        nothing = dra_pb2.NodePrepareResourceResponse()
        claims = {claim.uid: nothing for claim in request.claims}
        return dra_pb2.NodePrepareResourcesResponse(claims=claims)

    def NodeUnprepareResources(self, request: Any, _context: object) -> Any:
        done = dra_pb2.NodeUnprepareResourceResponse()
        claims = {claim.uid: done for claim in request.claims}
        return dra_pb2.NodeUnprepareResourcesResponse(claims=claims)


@contextmanager
def fake_gpus(cluster: DraCluster) -> Iterator[Sequence[str]]:
    """Runs the driver. Yields the PCIe roots of its GPUs. Delete the pods before it ends."""
    plugin = _Plugin()
    # The generated types name the asynchronous server only.
    server = grpc.server(ThreadPoolExecutor(4))
    dra_pb2_grpc.add_DRAPluginServicer_to_server(plugin, server)  # type: ignore[arg-type]
    pluginregistration_pb2_grpc.add_RegistrationServicer_to_server(plugin, server)  # type: ignore[arg-type]
    server.add_insecure_port(f"unix:{PLUGINS_REGISTRY / f'{DRIVER}-reg.sock'}")
    server.start()
    wait_until(lambda: plugin.registered)
    roots = _roots()
    cluster.make(_slice(roots), device_class(CLASS, f"device.driver == '{DRIVER}'"))
    try:
        yield roots
    finally:
        cluster.tidy()
        cluster.kubectl("delete", "resourceslice", DRIVER)
        server.stop(None).wait()


def _roots() -> list[str]:
    """The PCIe root of each GPU of the simulated host."""
    devices = (HOST / "sys" / "bus" / "pci" / "devices").iterdir()
    places = sorted(each.resolve() for each in devices)
    gpus = [place for place in places if (place / "class").read_text().startswith(_DISPLAY)]
    return [place.relative_to(HOST.resolve() / "sys" / "devices").parts[0] for place in gpus]


def _slice(roots: Sequence[str]) -> dict[str, Any]:
    devices = [
        {"name": f"gpu-{number}", "attributes": {_ROOT: {"string": root}}}
        for number, root in enumerate(roots)
    ]
    pool = {"name": private.NODE, "generation": 1, "resourceSliceCount": 1}
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceSlice",
        "metadata": {"name": DRIVER},
        "spec": {"driver": DRIVER, "nodeName": private.NODE, "pool": pool, "devices": devices},
    }
