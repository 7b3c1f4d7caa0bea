"""The settings of the daemon that only its command line can give."""

from dataclasses import dataclass
from pathlib import Path

from rdma_dp.config import NO_DEFAULTS, Defaults
from rdma_dp.kubelet.directories import KubeletDirectories
from rdma_dp.kubelet.registration.choice import RegistrationMode


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line decides."""

    config_file: Path
    directories: KubeletDirectories
    cdi_directory: Path
    device_info_directory: Path
    mode: RegistrationMode = RegistrationMode.AUTO
    root: Path = Path("/")
    defaults: Defaults = NO_DEFAULTS
