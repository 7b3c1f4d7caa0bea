"""What several checks know of RDMA."""
