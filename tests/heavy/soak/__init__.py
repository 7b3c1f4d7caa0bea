"""One daemon for a long time: thousands of kubelet restarts and inventory changes."""
