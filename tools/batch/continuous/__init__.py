"""Sessions as they come: recordings played whole through onset, network and rule, and scored against their labels."""
