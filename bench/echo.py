"""`python -m bench.echo SOCKET BYTES`: a grpc.aio server that does as little as possible.

It answers every call with the same bytes. It parses no request and serializes no response.
"""

import asyncio
import sys
from typing import Any

import grpc

SERVICE = "v1beta1.DevicePlugin"
METHODS = ("Allocate", "GetPreferredAllocation")


async def serve(socket: str, size: int) -> None:
    """Serves on `socket` until the process is stopped."""
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
