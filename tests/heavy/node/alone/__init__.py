"""kubelet alone: it runs the pods that lie in a directory, our daemon is a process beside it."""
