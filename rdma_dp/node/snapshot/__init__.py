"""A node in a file: FILE.tar.gz, which answers as the node did.

`recording.py` records what is read from a tree, as the values of `contents.py`. `recorded.py`
answers from them. `archive_*.py` and `document.py` turn them into a file and back. `anonymous.py`
replaces MACs, GUIDs, GIDs, addresses and host names. node/capture.py decides what is read.
"""
