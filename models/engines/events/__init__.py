"""The event-driven engine: only what is not 0 is convolved, so that the cost of a step follows the events."""
