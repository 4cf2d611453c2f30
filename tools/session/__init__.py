"""One stream, watched: open, observe, summarise."""
