"""`spikecut doctor`: a look at an installation, and a trial of it."""
