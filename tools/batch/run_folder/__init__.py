"""A run folder: what a run was asked for, what it has done so far, and nothing that a kill could damage."""
