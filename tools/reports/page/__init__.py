"""The parts of the page of `spikecut report`: colours, texts and tables, wrong recordings."""
