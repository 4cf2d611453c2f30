"""Many recordings at once: replay, calibrate, evaluate, cost."""
