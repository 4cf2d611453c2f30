"""Files of recordings: described, converted, cut, simulated."""
