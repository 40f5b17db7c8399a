"""Registers the fixtures: every file in `tests/plugins/` holds those of one resource."""

import os
import signal
from pathlib import Path

from hypothesis import HealthCheck, settings

# PostgreSQL first: others import a type of it, and pytest wants to see a plugin before anybody else imports it.
_FILES = sorted(Path(__file__).parent.glob("plugins/[a-z]*.py"), key=lambda file: (file.stem != "postgres", file.stem))
pytest_plugins = [f"tests.plugins.{file.stem}" for file in _FILES]

# A shell that sourced .run/env may hold the access to another broker: those of the tests speak in the clear.
for _name in [name for name in os.environ if name.startswith(("KAFKA_SECURITY_", "KAFKA_SSL_", "KAFKA_SASL_"))]:
    del os.environ[_name]

# A run that is told to stop tears its fixtures down like one that is interrupted: no stack stays behind.
signal.signal(signal.SIGTERM, signal.default_int_handler)

# Speed never decides a test: the machine may be busy. Before a change is taken, the examples are the same every time.
settings.register_profile(
    "kizuna", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("kizuna")
