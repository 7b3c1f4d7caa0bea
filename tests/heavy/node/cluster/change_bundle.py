"""`python -S change_bundle.py HOST STAND-INS RUNC-ARGUMENT...`: what hardware.py's runc does first.

Changes the bundle that runc is told to make a container of: /sys is that of the stand-in host at
HOST, and on a machine without modules `lsmod` is the one in STAND-INS, if the image has it at all.
"""

import json
import sys
from pathlib import Path
from typing import Any

LSMOD = "/bin/lsmod"
BROKEN = "/opt/broken.py"


def change(bundle: Path, host: Path, stand_ins: Path) -> None:
    file = bundle / "config.json"
    spec = json.loads(file.read_text())
    spec["mounts"] = [_mount(mount, host) for mount in spec["mounts"]]
    root = bundle / spec["root"]["path"]
    if not Path("/proc/modules").exists() and (root / LSMOD[1:]).exists():
        source = str(stand_ins / "lsmod")
        bind = {"destination": LSMOD, "type": "bind", "source": source, "options": ["bind", "ro"]}
        spec["mounts"].append(bind)
    fault = stand_ins / "fault"
    if fault.exists():
        _break(spec, stand_ins / "broken.py", fault.read_text())
    file.write_text(json.dumps(spec))


def _break(spec: dict[str, Any], broken: Path, fault: str) -> None:
    """Puts a plugin that is wrong on purpose into the place of ours."""
    program, *arguments = spec["process"]["args"]
    verbs = {"/bin/rdma-dp": [], "/bin/k8s-rdma-shared-dp": ["run"]}
    if program in verbs:
        python = "/opt/rdma-dp/bin/python"
        bind = {"type": "bind", "source": str(broken), "options": ["bind", "ro"]}
        spec["mounts"].append({"destination": BROKEN, **bind})
        spec["process"]["args"] = [python, BROKEN, fault, *verbs[program], *arguments]


def _mount(mount: dict[str, Any], host: Path) -> dict[str, Any]:
    if mount["destination"] != "/sys":
        return mount
    options = ["rbind", *mount.get("options", [])]
    return {**mount, "type": "bind", "source": str(host / "sys"), "options": options}


if __name__ == "__main__":
    host, stand_ins, *arguments = sys.argv[1:]
    change(Path(arguments[arguments.index("--bundle") + 1]), Path(host), Path(stand_ins))
