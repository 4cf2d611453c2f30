"""Spiking networks that are stepped, trained and saved. The only folder that knows torch and Norse."""
