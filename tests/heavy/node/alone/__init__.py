"""kubelet without a cluster: it runs the pods of a directory. The daemon is a process beside it."""
