"""What of a data set lies in a folder."""
