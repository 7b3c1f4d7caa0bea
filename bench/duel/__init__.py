"""The duel: rdma-dp and the Go plugin, measured in one run on the same made hosts.

Absolute figures are valid for one machine only. Read the ratios.
"""
