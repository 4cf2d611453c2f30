"""HDF5 files without the HDF5 library: their structure within bounds, chunks, layouts of events, and writing."""
