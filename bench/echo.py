"""`python -m bench.echo SOCKET BYTES`: the least that a grpc.aio server can do.

It answers every call of Allocate with the same bytes, which nobody serializes or parses.
"""

import asyncio
import sys
from typing import Any

import grpc

SERVICE, METHOD = "v1beta1.DevicePlugin", "Allocate"


async def serve(socket: str, size: int) -> None:
    """Serves on `socket` until the process is ended."""
    answer = bytes(size)

    async def echo(request: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:  # noqa: ARG001 - gRPC's signature
        return answer

    handler = grpc.method_handlers_generic_handler(
        SERVICE, {METHOD: grpc.unary_unary_rpc_method_handler(echo)}
    )
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((handler,))
    server.add_insecure_port(f"unix:{socket}")
    await server.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
