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
_CODE = "import sys; sys.path[:] = {path!a}; from {own} import serve; serve({module!r}, {name!r})"

# Python imports modules before it runs that code, such as `linecache` in 3.13. They must not come
# from the current directory (-P), nor by the environment if this process ignores it (-I).
_FLAGS = ("-S", "-I" if sys.flags.ignore_environment else "-P")


class ProcessError(RdmaDpError):
    """A process that has ended without a result. `killed`: by a signal, so a retry may succeed."""

    def __init__(self, status: int) -> None:
        """`status` as that of subprocess: below 0 is the number of a signal."""
        super().__init__(f"the process for it ended with status {status}")
        self.killed = status < 0


class FunctionProcess:
    """Imports the function `name` of a module at once, and calls it when `result` is called."""

    def __init__(self, module: str, name: str) -> None:
        """Raises OSError if no process can be started."""
        code = _CODE.format(path=sys.path, own=__name__, module=module, name=name)
        self._process = subprocess.Popen(  # noqa: S603 - our own code
            [sys.executable, *_FLAGS, *["-B"] * sys.flags.dont_write_bytecode, "-c", code],
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
            raise ProcessError(self._process.returncode)
        return pickle.loads(answer)  # noqa: S301 - from our own process

    def dismiss(self) -> None:
        """Ends the process without a call."""
        self._process.kill()
        self._process.communicate()


def serve(module: str, name: str) -> None:
    """What the new process does: calls the function with the arguments on standard input."""
    import fcntl  # noqa: PLC0415
    import gc  # noqa: PLC0415
    import signal  # noqa: PLC0415
    from importlib import import_module  # noqa: PLC0415

    # When the caller ends, its end of this pipe is closed: SIGIO then ends this process too, also
    # in the middle of a call (fcntl(2), O_ASYNC). A read by the caller sends the signal as well.
    fcntl.fcntl(1, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(1, fcntl.F_SETFL, fcntl.fcntl(1, fcntl.F_GETFL) | os.O_ASYNC)
    gc.disable()  # this process ends soon
    function = getattr(import_module(module), name)
    arguments = sys.stdin.buffer.read()
    if arguments:
        answer = function(*pickle.loads(arguments))  # noqa: S301
        signal.signal(signal.SIGIO, signal.SIG_IGN)
        sys.stdout.buffer.write(pickle.dumps(answer))
        sys.stdout.buffer.flush()
    os._exit(0)  # without the time that it takes to free what was imported
