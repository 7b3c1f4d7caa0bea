"""What rdma-dp asks kubelet and its plugins."""
