"""Networks written for other programs, and such files compared with their networks."""
