"""A simulated kubelet and simulated hosts for the demo, the tests and the benchmark.

The package rdma_dp does not import them, and they are not in the wheel.
"""
