"""What a config file holds, as bytes."""

import errno
import os
import stat
from pathlib import Path

from rdma_dp.config.problems import ConfigError, ConfigMissing, ConfigUnreadable, Problem

# A ConfigMap has at most 1 MiB (kubernetes pkg/apis/core MaxSecretSize).
MAX_BYTES = 1024 * 1024


def read(path: Path) -> bytes:
    """What a config file holds, as far as it can be one.

    Raises ConfigMissing, ConfigUnreadable when a read fails, and ConfigError for anything that is
    not a regular file: reading a FIFO, for example, can take for ever.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            _check_kind(os.fstat(descriptor).st_mode)
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                return file.read(MAX_BYTES + 1)
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigMissing("there is no such file") from None
    except (OSError, MemoryError) as error:
        raise ConfigUnreadable(getattr(error, "strerror", None) or "no memory is left") from error


def _check_kind(mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise ConfigError([Problem("", f"cannot be read: {os.strerror(errno.EISDIR)}")])
    if not stat.S_ISREG(mode):
        raise ConfigError([Problem("", "is not a regular file", "write the config to a file")])
