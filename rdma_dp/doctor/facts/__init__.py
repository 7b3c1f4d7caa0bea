"""Facts about RDMA and containers that several checks need."""
