"""The daemon on a real node: kubelet and containerd, in namespaces of their own."""
