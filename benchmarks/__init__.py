"""Reproducible comparisons; each prints a table with ratios measured in one run on one machine."""
