"""`python -S change_bundle.py HOST SIMULATED RUNC-ARGUMENT...`: runs before runc (see hardware.py).

Changes the bundle from which runc makes a container. /sys becomes that of the simulated host at
HOST. On a machine without modules, `lsmod` becomes the one in SIMULATED, if the image has one.
"""

import json
import sys
from pathlib import Path
from typing import Any

LSMOD = "/bin/lsmod"
BROKEN = "/opt/broken.py"


def change(bundle: Path, host: Path, simulated: Path) -> None:
    file = bundle / "config.json"
    spec = json.loads(file.read_text())
    spec["mounts"] = [_mount(mount, host) for mount in spec["mounts"]]
    root = bundle / spec["root"]["path"]
    if not Path("/proc/modules").exists() and (root / LSMOD[1:]).exists():
        source = str(simulated / "lsmod")
        bind = {"destination": LSMOD, "type": "bind", "source": source, "options": ["bind", "ro"]}
        spec["mounts"].append(bind)
    fault = simulated / "fault"
    if fault.exists():
        _break(spec, simulated / "broken.py", fault.read_text())
    file.write_text(json.dumps(spec))


def _break(spec: dict[str, Any], broken: Path, fault: str) -> None:
    """Replace our plugin by one with a deliberate fault."""
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
    host, simulated, *arguments = sys.argv[1:]
    change(Path(arguments[arguments.index("--bundle") + 1]), Path(host), Path(simulated))
