"""Network architectures: tables of layers over cells."""
