"""A real node with HCAs: kubelet, containerd and our image in the VM. Nothing is simulated."""
