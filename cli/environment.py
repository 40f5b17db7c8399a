"""Where the services are and with what the caller identifies himself: the environment, else `.run/env` of the stack.

`.run/env` is looked for in the working directory and then in every folder above it, as `git` looks for `.git`.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

ARCHIVE: Final = "archive"
PORTS: Final = {"ingest": 8001, "health": 8002, "revenue": 8003, "alerts": 8004, ARCHIVE: 8005, "inbox": 8010}
"""The parts that answer over HTTP, with the ports they have unless moved."""

NAMED: Final = (ARCHIVE, "inbox")
"""Those that not every deployment has, or has where the command line reaches them: only a URL says that it is there."""

ENV_FILE: Final = Path(".run", "env")


@dataclass(frozen=True, slots=True)
class Environment:
    """Settings by name, and the folder whose `.run` holds what the command line keeps between calls."""

    values: Mapping[str, str]
    root: Path

    def url(self, service: str) -> str:
        """Return the base URL of a service, without a slash at its end."""
        given = self.values.get(f"KIZUNA_{service.upper()}_URL")
        port = self.values.get(f"KIZUNA_{service.upper()}_PORT", PORTS[service])
        return (given or f"http://127.0.0.1:{port}").rstrip("/")

    def parts(self) -> list[str]:
        """Return the parts that this deployment has, as far as the command line knows."""
        return [name for name in PORTS if name not in NAMED or f"KIZUNA_{name.upper()}_URL" in self.values]

    def get(self, name: str) -> str:
        """Return a setting, "" when there is none: a service says better than we what is missing and how to get it."""
        return self.values.get(name, "")


def load(start: Path, environ: Mapping[str, str]) -> Environment:
    """Read `.run/env` at or above `start`; what is set in `environ` wins over it."""
    for folder in (start, *start.parents):
        if (folder / ENV_FILE).is_file():
            return Environment({**parse((folder / ENV_FILE).read_text("utf-8")), **environ}, folder)
    return Environment(dict(environ), start)


def parse(text: str) -> dict[str, str]:
    """Parse shell assignments, `NAME=value` or `export NAME='value'` a line; everything else is passed over."""
    words = (word for line in text.splitlines() for word in shlex.split(line, comments=True))
    pairs = (word.partition("=") for word in words)
    return {name: value for name, equals, value in pairs if equals and name.isidentifier()}
