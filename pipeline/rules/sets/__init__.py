"""Rules with prediction sets."""
