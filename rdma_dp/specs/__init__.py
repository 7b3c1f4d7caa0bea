"""Files beside kubelet's lists: CDI specs and device-info files."""
