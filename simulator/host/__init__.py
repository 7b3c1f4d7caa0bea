"""Simulated hosts: YAML descriptions of machines, written as the file trees of their kernels.

A person writes a manifest (`manifest.py`). `scene.py` fills in what the kernel would know,
`layout.py` makes files of it, and `tree.py` updates a directory. Only the device nodes of
`build(..., dev=True)` need root.
"""

from simulator.host.live import SimulatedHost, build
from simulator.host.loading import load, parse, sample_names
from simulator.host.made import generate
from simulator.host.manifest import Manifest

__all__ = ["Manifest", "SimulatedHost", "build", "generate", "load", "parse", "sample_names"]
