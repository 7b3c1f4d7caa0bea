"""The benchmark: what the daemon costs, measured on stand-in hosts and printed as one table.

Absolute figures hold on one machine only. So everything that is compared is measured in one run,
and the ratios are what to read.
"""
