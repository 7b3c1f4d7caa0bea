"""The daemon: where config, discovery, sharing and kubelet meet."""
