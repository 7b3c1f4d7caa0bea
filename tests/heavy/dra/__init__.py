"""DRA in a cluster of one: real pods get their HCAs by claims, from the image as it is shipped."""
