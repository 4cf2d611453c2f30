"""What readers share: files read block by block, records told from garbage, events put in order, stretches, damage."""
