"""Simulated event cameras and drawn scenes. Whatever comes from here is simulated data."""
