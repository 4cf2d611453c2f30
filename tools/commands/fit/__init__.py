"""Commands that make a network and decide when it stops."""
