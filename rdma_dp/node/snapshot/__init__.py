"""A node in a file: FILE.tar.gz, which answers as the node did.

`recording.py` remembers what is read of a tree, `contents.py` is what it remembers, `recorded.py`
answers from it, `archive_*.py` turn it into a file and back, and `anonymous.py` takes MACs, GUIDs,
GIDs, addresses and host names out of it. What a snapshot is made of is told by
rdma_dp/snapshot_taking.py.
"""
