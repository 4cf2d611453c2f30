"""How a network is stepped."""
