"""`python -m bench.echo SOCKET BYTES`: the least that a grpc.aio server can do.

It answers every call with the same bytes, and looks at none: nobody parses or serializes anything.
"""

import asyncio
import sys
from typing import Any

import grpc

SERVICE = "v1beta1.DevicePlugin"
METHODS = ("Allocate", "GetPreferredAllocation")


async def serve(socket: str, size: int) -> None:
    """Serves on `socket` until the process is ended."""
    answer = bytes(size)

    async def echo(request: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:  # noqa: ARG001 - gRPC's signature
        return answer

    handler = grpc.method_handlers_generic_handler(
        SERVICE, {method: grpc.unary_unary_rpc_method_handler(echo) for method in METHODS}
    )
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((handler,))
    server.add_insecure_port(f"unix:{socket}")
    await server.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
