"""Prophesee's formats: EVT2, EVT2.1 and EVT3 (`.raw`), DAT (`.dat`)."""
