"""Rules fitted on recorded outputs: what `spikecut calibrate` and `spikecut.calibrate` have in common."""
