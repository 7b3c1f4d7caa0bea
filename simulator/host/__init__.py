"""Stand-in hosts: machines written down as YAML, made into trees as their kernels would show them.

A manifest (`manifest.py`) is what a person writes. `scene.py` fills in what the kernel would know,
`layout.py` prints it as files, `tree.py` brings a directory up to date. Nothing of it needs root,
but the device nodes of `build(..., dev=True)`.
"""

from simulator.host.live import SimulatedHost, build
from simulator.host.loading import load, parse, sample_names
from simulator.host.made import generate
from simulator.host.manifest import Manifest

__all__ = ["Manifest", "SimulatedHost", "build", "generate", "load", "parse", "sample_names"]
