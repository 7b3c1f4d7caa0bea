"""Limits of a snapshot, so that taking or reading one always ends.

The same limits hold for both. A node with 512 HCAs needs 30,000 members and 8 MB.
"""

MEMBERS = 300_000
BYTES = 256 * 1024 * 1024  # of the uncompressed archive with its headers
FILE_BYTES = 1024 * 1024 + 1  # of one file; a config may be 1 MiB, sysfs gives a page at most
DOCUMENT_BYTES = 16 * 1024 * 1024  # of snapshot.json; it can take 60 times as much memory
HEADER_BYTES = 64 * 1024  # of an extended header: two paths, and what tar adds with --xattrs
GLOBAL_HEADERS = 16  # tarfile reads all of them for each member
PATH_BYTES = 4096  # PATH_MAX of the kernel's include/uapi/linux/limits.h, without its NUL
DEPTH = 64  # directories; sysfs has about 20
SECONDS = 60.0  # for taking one; a slow card takes seconds to read its VPD

# An archive may unpack to RATIO_FREE_BYTES, and further to RATIO times the size of its file. Small
# files, with headers of 512 bytes that are mostly zeros, reach a ratio of about 60.
RATIO = 250
RATIO_FREE_BYTES = 16 * 1024 * 1024
