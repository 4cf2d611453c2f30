"""Recordings in NumPy's own files: `.npy` with one array, `.npz` with several."""
