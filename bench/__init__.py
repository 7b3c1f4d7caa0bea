"""The benchmark: the costs of the daemon, measured on simulated hosts and printed as one table.

Absolute figures are valid for one machine only. So values that are compared are measured in one
run. Read the ratios.
"""
