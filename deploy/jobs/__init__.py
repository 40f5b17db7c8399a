"""One-shot jobs of a deployment in containers: what must have happened before the services start."""
