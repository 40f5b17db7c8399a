"""Registers the fixtures: every file in `tests/plugins/` holds those of one resource."""

import signal
from pathlib import Path

# PostgreSQL first: others import a type of it, and pytest wants to see a plugin before anybody else imports it.
_FILES = sorted(Path(__file__).parent.glob("plugins/[a-z]*.py"), key=lambda file: (file.stem != "postgres", file.stem))
pytest_plugins = [f"tests.plugins.{file.stem}" for file in _FILES]

# A run that is told to stop tears its fixtures down like one that is interrupted: no stack stays behind.
signal.signal(signal.SIGTERM, signal.default_int_handler)
