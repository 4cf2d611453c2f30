"""Commands about files and folders of recordings."""
