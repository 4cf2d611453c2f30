"""Event streams (`.es`), version 2."""
