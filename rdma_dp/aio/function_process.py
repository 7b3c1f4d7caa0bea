"""A function that runs once, in a Python process of its own.

For work whose modules take much memory and time: the process imports them beside this one, and its
memory is free again when it ends. function_server.py is what it runs.
"""

import subprocess
import sys
from typing import Any

from rdma_dp.errors import RdmaDpError

# Runs in the new process, with the import path of this one. -S: `site` would only add to the path.
_CODE = (
    "import sys; sys.path[:] = {path!a};"
    " from rdma_dp.aio.function_server import serve; serve({module!r}, {name!r})"
)

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
        code = _CODE.format(path=sys.path, module=module, name=name)
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
        import pickle  # noqa: PLC0415 - not before the other process has started

        answer, _ = self._process.communicate(pickle.dumps(arguments))
        if self._process.returncode:
            raise ProcessError(self._process.returncode)
        return pickle.loads(answer)  # noqa: S301 - from our own process

    def dismiss(self) -> None:
        """Ends the process without a call."""
        self._process.kill()
        self._process.communicate()
