"""How a resource becomes and stays known to kubelet."""
