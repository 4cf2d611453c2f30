"""Commands that look at one recording."""
