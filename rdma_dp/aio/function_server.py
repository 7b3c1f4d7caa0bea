"""What the process of a FunctionProcess runs. It imports little, so that it is quick."""

import fcntl
import gc
import os
import pickle
import signal
import sys
from importlib import import_module


def serve(module: str, name: str) -> None:
    """Calls the function with the arguments on standard input. The caller gets what it returns."""
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
