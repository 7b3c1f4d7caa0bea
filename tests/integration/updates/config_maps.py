"""A ConfigMap volume, as kubelet's atomic writer makes it (pkg/volume/util/atomic_writer.go)."""

import shutil
from itertools import count
from pathlib import Path


class ConfigMap:
    """`directory`/config.json -> ..data/config.json, and ..data -> the newest version."""

    def __init__(self, directory: Path, text: str) -> None:
        self._directory = directory
        self._versions = count()
        directory.mkdir(parents=True)
        self.file = directory / "config.json"
        self.publish(text)
        self.file.symlink_to("..data/config.json")

    def publish(self, text: str) -> None:
        """Write a new version: make it beside the old one, swap the link, remove the old one."""
        link, fresh_link = self._directory / "..data", self._directory / "..data_tmp"
        fresh = self._directory / f"..2026_{next(self._versions)}"
        fresh.mkdir()
        (fresh / "config.json").write_text(text)
        fresh_link.symlink_to(fresh.name)
        old = link.readlink() if link.is_symlink() else None
        fresh_link.rename(link)
        if old is not None:
            shutil.rmtree(self._directory / old)
