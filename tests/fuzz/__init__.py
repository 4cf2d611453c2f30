"""Fuzzing: damaged copies of every file that spikecut reads, and what must come of each (`make fuzz`)."""
