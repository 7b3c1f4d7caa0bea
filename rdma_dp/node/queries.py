"""Asks this machine what no file holds: kubelet, its plugins, and who owns queue pairs."""

from pathlib import Path

from rdma_dp.host.files import Host, HostError
from rdma_dp.host.netlink.rdma_queries import query_queue_pairs
from rdma_dp.host.processes import root_directory, stat
from rdma_dp.node.answers import Answers

_LONGEST_COMMAND_LINE = 1 << 16  # bytes


class LiveAnswers:
    """This machine, which is asked anew each time."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def ask(self, kubelet_root: Path, device_plugins: Path | None = None) -> Answers:
        """What can be asked within a few seconds. An answer that does not come is None."""
        # Imported here: a captured tree needs neither gRPC nor netlink.
        from rdma_dp.kubelet.clients.survey import ask_kubelet  # noqa: PLC0415
        from rdma_dp.kubelet.directories import KubeletDirectories  # noqa: PLC0415

        directories = KubeletDirectories.below(kubelet_root, device_plugins)
        return Answers(
            kubelet=ask_kubelet(kubelet_root, directories, kubelet_roots(self._host)),
            queue_pairs=query_queue_pairs(),
        )


def kubelet_roots(host: Host) -> tuple[str, ...]:
    """The --root-dir of each kubelet process. No other argument of a command line is read."""
    found = []
    for pid in _processes(host):
        process = stat(host.read_or_none(f"proc/{pid}/stat") or "")
        if process and process.command == "kubelet":
            found.append(root_directory(_command_line(host, pid)))
    return tuple(root for root in found if root)


def _processes(host: Host) -> tuple[str, ...]:
    try:
        return tuple(filter(str.isdecimal, host.entries("proc")))
    except HostError:
        return ()


def _command_line(host: Host, pid: str) -> str:
    try:
        data = host.read_bytes(f"proc/{pid}/cmdline", _LONGEST_COMMAND_LINE)
    except HostError:
        return ""
    return (data or b"").decode("utf-8", "replace")
