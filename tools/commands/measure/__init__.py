"""Commands that measure on labelled recordings, and show the results."""
