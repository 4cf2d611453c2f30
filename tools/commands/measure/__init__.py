"""Commands that measure on labelled recordings, and show what was measured."""
