"""Text of events: what a file says about its own columns before the first event, and the writer."""
