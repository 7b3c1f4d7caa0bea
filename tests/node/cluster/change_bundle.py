"""`python -S change_bundle.py HOST STAND-INS RUNC-ARGUMENT...`: what hardware.py's runc does first.

Changes the bundle that runc is told to make a container of: /sys is that of the stand-in host at
HOST, and on a machine without modules `lsmod` is the one in STAND-INS, if the image has it at all.
"""

import json
import sys
from pathlib import Path
from typing import Any

LSMOD = "/bin/lsmod"


def change(bundle: Path, host: Path, stand_ins: Path) -> None:
    file = bundle / "config.json"
    spec = json.loads(file.read_text())
    spec["mounts"] = [_mount(mount, host) for mount in spec["mounts"]]
    root = bundle / spec["root"]["path"]
    if not Path("/proc/modules").exists() and (root / LSMOD[1:]).exists():
        source = str(stand_ins / "lsmod")
        bind = {"destination": LSMOD, "type": "bind", "source": source, "options": ["bind", "ro"]}
        spec["mounts"].append(bind)
    file.write_text(json.dumps(spec))


def _mount(mount: dict[str, Any], host: Path) -> dict[str, Any]:
    if mount["destination"] != "/sys":
        return mount
    options = ["rbind", *mount.get("options", [])]
    return {**mount, "type": "bind", "source": str(host / "sys"), "options": options}


if __name__ == "__main__":
    host, stand_ins, *arguments = sys.argv[1:]
    change(Path(arguments[arguments.index("--bundle") + 1]), Path(host), Path(stand_ins))
