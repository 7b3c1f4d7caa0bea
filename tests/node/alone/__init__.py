"""kubelet alone: it runs the pods that lie in a directory, and our daemon is a process beside it."""
