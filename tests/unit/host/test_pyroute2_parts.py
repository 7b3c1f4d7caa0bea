"""RDMA netlink loads a part of pyroute2, and the whole package can still be imported."""

import json
import subprocess
import sys
from typing import Any

# Imports what asks RDMA netlink, then pyroute2 itself, and prints what was loaded before and after.
_LOADS = """
import json, sys
from rdma_dp.host.netlink import pyroute2_parts
pyroute2_parts.load()
from rdma_dp.host.netlink import nldev
names = ("pyroute2", "pyroute2.ndb", "pyroute2.netlink.nlsocket")
before = [name for name in names if name in sys.modules]
pyroute2_parts.load()
import pyroute2
print(json.dumps({
    "before": before,
    "same": pyroute2.NetlinkError is nldev.NetlinkError,
    "whole": issubclass(pyroute2.IPRoute, object),
}))
"""

# As with a version whose modules need what the package itself imports.
_REFUSES = """
import sys
class Refuses:
    def find_spec(self, name, path=None, target=None):
        if name == "pyroute2.netlink.nlsocket" and "pyroute2.conntrack" not in sys.modules:
            raise AttributeError("not in this version")
sys.meta_path.insert(0, Refuses())
"""


def loaded(code: str) -> Any:
    command = (sys.executable, "-c", code)
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_the_rest_of_the_package_is_not_loaded() -> None:
    assert loaded(_LOADS) == {"before": ["pyroute2.netlink.nlsocket"], "same": True, "whole": True}


def test_a_version_that_needs_the_rest_loads_it() -> None:
    found = loaded(_REFUSES + _LOADS)
    assert found["before"] == ["pyroute2", "pyroute2.ndb", "pyroute2.netlink.nlsocket"]
    assert found["same"]
