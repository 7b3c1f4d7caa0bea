"""Tools for asyncio that know neither RDMA nor Kubernetes."""
