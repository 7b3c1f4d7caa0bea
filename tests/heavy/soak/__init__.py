"""One daemon for a long time: kubelet restarts and inventory changes by the thousand."""
