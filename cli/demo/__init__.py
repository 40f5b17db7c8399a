"""The demo: a slice of history, a short story on top, and a look at what the services made of it."""
