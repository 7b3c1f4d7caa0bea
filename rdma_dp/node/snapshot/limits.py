"""Bounds of a snapshot, so that neither taking one nor looking at one can go on for ever.

What may be written may also be read. A node with 512 HCAs needs 30,000 members and 8 MB.
"""

MEMBERS = 300_000
BYTES = 256 * 1024 * 1024  # of the uncompressed archive, its headers included
FILE_BYTES = 1024 * 1024 + 1  # of one file; config.read takes so much, sysfs gives a page at most
DOCUMENT_BYTES = 16 * 1024 * 1024  # of snapshot.json; in memory it can be 60 times as large
HEADER_BYTES = 64 * 1024  # of a header about a header: two paths, and what tar adds with --xattrs
GLOBAL_HEADERS = 16  # tarfile looks at all of them for each member
PATH_BYTES = 4096  # PATH_MAX of the kernel's include/uapi/linux/limits.h, without its NUL
DEPTH = 64  # directories; sysfs has about 20
SECONDS = 60.0  # for taking one; a card that is slow to answer takes seconds for its VPD

# Times that the archive may be larger than its file, beyond what any file may unpack to. Small
# files with headers of 512 bytes that are mostly zeros reach about 60.
RATIO = 250
RATIO_FREE_BYTES = 16 * 1024 * 1024
