"""Loads those modules of pyroute2 that RDMA netlink needs.

pyroute2/__init__.py imports 160 modules, for nftables, WireGuard and many more. They cost 7 MB and
most of the import's time. So the modules below are imported without it. A later import of pyroute2
itself gets the whole package, with the modules that are loaded.
"""

import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from threading import Lock

_PACKAGE = "pyroute2"
_PARTS = (
    "pyroute2.netlink",
    "pyroute2.netlink.exceptions",
    "pyroute2.netlink.marshal",
    "pyroute2.netlink.nlsocket",
)

_loading = Lock()


def load() -> None:
    """Loads them if none is loaded. Raises nothing: a later import loads what is missing."""
    with _loading:
        if any(name in sys.modules for name in (_PACKAGE, *_PARTS)):
            return
        spec = find_spec(_PACKAGE)
        if spec is None:
            return
        sys.modules[_PACKAGE] = module_from_spec(spec)  # not executed
        try:
            for part in _PARTS:
                import_module(part)
        except Exception:  # noqa: BLE001 - then the import that follows loads all, or says why not
            for name in [name for name in sys.modules if name.startswith(f"{_PACKAGE}.")]:
                del sys.modules[name]
        finally:
            del sys.modules[_PACKAGE]
