"""Finding plug-ins: each module of a package that ends in `PLUGIN = …` is one. `python -m shared.plugins` lists."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

PACKAGES = ("services.health.measures", "services.health.signals", "services.alerts.channels")


def discover(package: str) -> tuple[Any, ...]:
    """Return the plug-ins of `package` in the order of their module names. Imports each module once.

    Raises ValueError when two of them carry the same `name`.
    """
    module = importlib.import_module(package)
    names = sorted(info.name for info in pkgutil.iter_modules(module.__path__))
    loaded = (importlib.import_module(f"{package}.{name}") for name in names)
    found = tuple(each.PLUGIN for each in loaded if hasattr(each, "PLUGIN"))
    seen = [plugin.name for plugin in found]
    if len(set(seen)) != len(seen):
        raise ValueError(f"Two plug-ins of {package} share a name: {sorted(seen)}. Rename one of them.")
    return found


def main() -> None:
    """Print every plug-in with its package."""
    for package in PACKAGES:
        for plugin in discover(package):
            print(f"{package.rsplit('.', 1)[-1]:10} {plugin.name}")  # noqa: T201 - a command prints


if __name__ == "__main__":
    main()
