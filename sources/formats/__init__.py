"""File formats of event recordings: one module each."""
