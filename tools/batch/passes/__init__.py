"""Passes over the recordings of a data set: what a worker does with a batch, and how a run is made of batches."""
