"""The VM suite: rdma-dp on a real RDMA kernel, with Soft-RoCE HCAs.

Run by `python -m tests.heavy.vm`.
"""
