"""Spiking cells, their surrogate gradients, and their counterparts in training."""
