"""The image of pods and sandboxes: a static busybox, packed as an OCI archive."""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

NAME = "localhost/busybox:1"
BUSYBOX = Path("/bin/busybox")

_TYPE = "application/vnd.oci.image"
_PLATFORM = {"architecture": "amd64", "os": "linux"}


File = tuple[bytes, int]  # content and mode


def write(archive: Path, name: str = NAME, more: Mapping[str, File] = MappingProxyType({})) -> None:
    """Write the archive for `ctr images import`. `more` are further files, by path."""
    program = (BUSYBOX.read_bytes(), 0o755)
    layer = _tar({"bin/busybox": program, "bin/sh": program, **more})
    config = {
        **_PLATFORM,
        # Sandboxes run this. The containers of the tests have their own commands.
        "config": {"Entrypoint": ["/bin/busybox", "sleep", "2147483647"], "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{_digest(layer)}"]},
    }
    blobs = [layer]
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_TYPE}.manifest.v1+json",
        "config": _described(_json(config), "config.v1+json", blobs),
        "layers": [_described(layer, "layer.v1.tar", blobs)],
    }
    described = _described(_json(manifest), "manifest.v1+json", blobs)
    described |= {"annotations": {"io.containerd.image.name": name}, "platform": _PLATFORM}
    files = {
        "oci-layout": (_json({"imageLayoutVersion": "1.0.0"}), 0o644),
        "index.json": (_json({"schemaVersion": 2, "manifests": [described]}), 0o644),
        **{f"blobs/sha256/{_digest(blob)}": (blob, 0o644) for blob in blobs},
    }
    archive.write_bytes(_tar(files))


def _described(blob: bytes, kind: str, blobs: list[bytes]) -> dict[str, Any]:
    if blob not in blobs:
        blobs.append(blob)
    return {"mediaType": f"{_TYPE}.{kind}", "digest": f"sha256:{_digest(blob)}", "size": len(blob)}


def _json(document: object) -> bytes:
    return json.dumps(document).encode()


def _digest(blob: bytes) -> str:
    return hashlib.sha256(blob).hexdigest()


def _tar(files: Mapping[str, File]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, (content, mode) in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), mode
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()
