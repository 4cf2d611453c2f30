"""The core: from events to an early decision. NumPy, SciPy and Numba only."""
