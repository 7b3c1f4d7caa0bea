"""Runs in the VM, as root, on a kernel with Soft-RoCE."""
