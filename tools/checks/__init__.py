"""Checks of data sets in folders: completeness, damage, and unexpected files."""
