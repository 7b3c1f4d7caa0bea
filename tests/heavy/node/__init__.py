"""The daemon on a real node: kubelet and containerd, in their own namespaces."""
