"""What kubelet calls."""
