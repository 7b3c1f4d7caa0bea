#!/usr/bin/tini-static /opt/rdma-dp/bin/python
"""Runs a script of the image under tini, as the interpreter of that script: `#!.../under-tini --`.

The kernel starts tini with these words:

    tini-static /opt/rdma-dp/bin/python under-tini -- SCRIPT ARGUMENT...

tini takes the first word as its program, and the -- as the end of its own options. So it runs
`python under-tini SCRIPT ARGUMENT...`.
"""

import runpy
import sys

if __name__ == "__main__":
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
