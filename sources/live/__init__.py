"""Sources that play in real time."""
