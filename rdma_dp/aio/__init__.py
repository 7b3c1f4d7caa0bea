"""Tools for asyncio: no RDMA, no Kubernetes."""
