"""Registers the fixtures, which lie by resource in `tests/plugins/`."""

pytest_plugins = ["tests.plugins.postgres", "tests.plugins.kafka", "tests.plugins.stack", "tests.plugins.runtime", "tests.plugins.revenue"]
