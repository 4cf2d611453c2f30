"""The run as a web page: the view, who may see it, and what is sent to the page."""
