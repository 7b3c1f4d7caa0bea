"""A function that runs once, in a Python process of its own.

For work whose modules take much memory and time: the process imports them beside this one, and its
memory is free again when it ends.
"""

import os
import pickle
import subprocess
import sys
from typing import Any

from rdma_dp.errors import RdmaDpError

# Runs in the new process, with the import path of this one. -S: `site` would only add to the path.
_CODE = "import sys; sys.path[:] = {path!r}; from {own} import serve; serve({module!r}, {name!r})"


class ProcessError(RdmaDpError):
    """A process that has ended without a result."""


class FunctionProcess:
    """Imports the function `name` of a module at once, and calls it when `result` is called."""

    def __init__(self, module: str, name: str) -> None:
        """Raises OSError if no process can be started."""
        code = _CODE.format(path=sys.path, own=__name__, module=module, name=name)
        self._process = subprocess.Popen(  # noqa: S603 - our own code
            [sys.executable, "-S", "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,  # Ctrl-C is for this process, and ends the other one with it
        )

    def result(self, *arguments: Any) -> Any:
        """Calls the function, waits, and returns what it returned. Call it only once.

        Raises ProcessError if the function raised something, or the process was killed.
        """
        answer, _ = self._process.communicate(pickle.dumps(arguments))
        if self._process.returncode:
            status = self._process.returncode
            raise ProcessError(f"the process for it ended with status {status}")
        return pickle.loads(answer)  # noqa: S301 - from our own process

    def dismiss(self) -> None:
        """Ends the process without a call."""
        self._process.kill()
        self._process.communicate()


def serve(module: str, name: str) -> None:
    """What the new process does: calls the function with the arguments on standard input."""
    import gc  # noqa: PLC0415
    from importlib import import_module  # noqa: PLC0415

    gc.disable()  # this process ends soon
    function = getattr(import_module(module), name)
    arguments = sys.stdin.buffer.read()
    if arguments:
        answer = function(*pickle.loads(arguments))  # noqa: S301
        sys.stdout.buffer.write(pickle.dumps(answer))
        sys.stdout.buffer.flush()
    os._exit(0)  # without the time that it takes to free what was imported
