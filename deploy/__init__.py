"""How Kizuna is run."""
