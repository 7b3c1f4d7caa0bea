"""The settings of the daemon that only its command line can give."""

from dataclasses import dataclass
from pathlib import Path

from rdma_dp.config import NO_DEFAULTS, Defaults
from rdma_dp.daemon.config_parsing import Parse, parse_here
from rdma_dp.daemon.first_scan import FirstScan
from rdma_dp.kubelet.directories import KubeletDirectories
from rdma_dp.kubelet.registration.choice import RegistrationMode
from rdma_dp.monitoring.address import Address


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line decides.

    `metrics` and `probe_socket` are None where metrics or probes are not served.
    `nfd_features` is the directory for the feature file, or None where no node labels are wanted.
    `config_wait` is for how many seconds the daemon waits for its first config; None is without a
    limit. `first_scan` is a scan of `root` that has begun, if there is one. `parse` parses configs.
    """

    config_file: Path
    directories: KubeletDirectories
    cdi_directory: Path
    device_info_directory: Path
    mode: RegistrationMode = RegistrationMode.AUTO
    root: Path = Path("/")
    defaults: Defaults = NO_DEFAULTS
    metrics: Address | None = None
    probe_socket: Path | None = None
    nfd_features: Path | None = None
    config_wait: float | None = None
    first_scan: FirstScan | None = None
    parse: Parse = parse_here
