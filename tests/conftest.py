"""Registers the fixtures: every file in `tests/plugins/` holds those of one resource."""

from pathlib import Path

pytest_plugins = [f"tests.plugins.{file.stem}" for file in sorted(Path(__file__).parent.glob("plugins/[a-z]*.py")), "tests.plugins.ingest", "tests.plugins.topics"]
