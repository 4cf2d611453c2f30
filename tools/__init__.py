"""The command line, the overlay and the reports."""
