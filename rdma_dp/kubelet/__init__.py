"""Everything that speaks to kubelet."""
