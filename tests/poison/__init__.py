"""Hostile records placed straight on the topics, and a judge of what became of them: `make poison`."""
