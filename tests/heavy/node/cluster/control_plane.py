"""The control plane: etcd, kube-apiserver, kube-scheduler and kube-controller-manager, on loopback.

A token identifies the caller, who may do everything. The device plugin needs no RBAC, a DRA driver
does.
"""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.heavy.node.private import ADDRESS
from tests.heavy.node.process import Process, wait_until

KUBECONFIG = Path("/etc/kubernetes/kubeconfig")
# The address of the Service of the API server. There is no kube-proxy, so the server itself listens
# there: pods with hostNetwork can call it.
SERVICE = "10.79.0.1"
SERVER = f"https://{SERVICE}:443"
TOKEN = "simulated"

_ETCD = "http://127.0.0.1:2379"
_CERTIFICATES = Path("/etc/kubernetes/pki")
# kube-apiserver makes it for itself. It is its own authority.
CERTIFICATE = _CERTIFICATES / "apiserver.crt"
_ACCOUNTS = _CERTIFICATES / "accounts.key"

# The controllers that a DaemonSet, a node and a pod need.
_CONTROLLERS = (
    *("daemonset-controller", "garbage-collector-controller", "namespace-controller"),
    *("node-lifecycle-controller", "taint-eviction-controller", "pod-garbage-collector-controller"),
    *("root-ca-certificate-publisher-controller", "serviceaccount-controller"),
)


@dataclass(frozen=True)
class Access:
    """How the API server authorizes requests, and further flags of it; more controllers."""

    authorization: str = "AlwaysAllow"
    flags: tuple[str, ...] = ()
    controllers: tuple[str, ...] = ()


EVERYTHING = Access()


class ControlPlane:
    """It runs until `end`. `KUBECONFIG` is the file to reach it."""

    def __init__(self, access: Access = EVERYTHING) -> None:
        self._access = access
        _CERTIFICATES.mkdir(parents=True)
        subprocess.run(("ip", "address", "add", f"{SERVICE}/32", "dev", "lo"), check=True)
        _key_for_accounts()
        _write_kubeconfig()
        self._processes: list[Process] = []
        self._start_etcd()
        self._api_server = self._start_api_server()
        self._start_those_that_look_at_it()

    def _start_etcd(self) -> None:
        data = "/run/etcd"
        peer = "http://127.0.0.1:2380"
        self._start(
            "etcd",
            *("--data-dir", data, "--unsafe-no-fsync", "--log-level", "warn"),
            *("--listen-client-urls", _ETCD, "--advertise-client-urls", _ETCD),
            *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
            *("--initial-cluster", f"default={peer}"),
        )

    def restart_api_server(self, *flags: str) -> None:
        """Restart it with further flags. The others connect again by themselves."""
        self._processes.remove(self._api_server)
        self._api_server.end(signal.SIGKILL)  # it would wait for watches to end
        self._api_server = self._start_api_server(*flags)

    @contextmanager
    def api_server_away(self) -> Iterator[None]:
        """While the block runs, the API server takes requests and does not answer."""
        self._api_server.send(signal.SIGSTOP)
        try:
            yield
        finally:
            self._api_server.send(signal.SIGCONT)

    def _start_api_server(self, *flags: str) -> Process:
        tokens = _CERTIFICATES / "tokens.csv"
        tokens.write_text(f"{TOKEN},admin,admin,system:masters\n")
        started = self._start(
            "kube-apiserver",
            *("--etcd-servers", _ETCD),
            *("--bind-address", SERVICE, "--secure-port", "443", "--advertise-address", ADDRESS),
            *("--cert-dir", str(_CERTIFICATES), "--token-auth-file", str(tokens)),
            *("--authorization-mode", self._access.authorization, "--allow-privileged"),
            *("--kubelet-preferred-address-types", "InternalIP"),
            *("--service-cluster-ip-range", "10.79.0.0/24"),
            *("--service-account-issuer", "https://kubernetes.default.svc"),
            *("--service-account-key-file", str(_ACCOUNTS)),
            *("--service-account-signing-key-file", str(_ACCOUNTS)),
            *self._access.flags,
            *flags,
        )
        wait_until(self._is_ready, pause=0.2)
        return started

    def _is_ready(self) -> bool:
        assert all(each.runs for each in self._processes), "a part of the control plane has ended"
        ready = ("kubectl", "--kubeconfig", str(KUBECONFIG), "get", "--raw", "/readyz")
        return subprocess.run(ready, capture_output=True, check=False).returncode == 0

    def _start_those_that_look_at_it(self) -> None:
        to_it = ("--kubeconfig", str(KUBECONFIG), "--leader-elect=false", "--secure-port", "0")
        self._start("kube-scheduler", *to_it)
        self._start(
            "kube-controller-manager",
            *to_it,
            *("--controllers", ",".join((*_CONTROLLERS, *self._access.controllers))),
            *("--service-account-private-key-file", str(_ACCOUNTS)),
            *("--root-ca-file", str(CERTIFICATE)),
        )

    def _start(self, program: str, *arguments: str) -> Process:
        started = Process(program, (program, *arguments))
        self._processes.append(started)
        return started

    def end(self) -> None:
        """Fails if a part of it has exited by itself."""
        ended = [each.log.stem for each in self._processes if not each.runs]
        for process in reversed(self._processes):
            process.end(signal.SIGKILL)  # the API server would wait for the watches of pods
        assert not ended, f"parts of the control plane have ended: {', '.join(ended)}"


def _key_for_accounts() -> None:
    """The key that signs the tokens of service accounts."""
    make = ("openssl", "genrsa", "-out", str(_ACCOUNTS), "2048")
    subprocess.run(make, capture_output=True, check=True)


def _write_kubeconfig() -> None:
    cluster = {"server": SERVER, "certificate-authority": str(CERTIFICATE)}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "node", "cluster": cluster}],
        "users": [{"name": "admin", "user": {"token": TOKEN}}],
        "contexts": [{"name": "node", "context": {"cluster": "node", "user": "admin"}}],
        "current-context": "node",
    }
    KUBECONFIG.write_text(yaml.safe_dump(config))
