"""Networks on disk, and networks of the user's own."""
