"""Channels as plug-ins: one module each, found by `PLUGIN` at its foot."""
