"""How files are written whole, and read strictly."""
