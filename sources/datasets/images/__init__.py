"""Data sets of still images."""
