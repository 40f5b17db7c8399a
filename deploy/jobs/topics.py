"""`python -m deploy.jobs.topics`: creates the topics that are missing, once the broker answers. Harmless to repeat."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import TYPE_CHECKING, Final

from deploy.local.processes import StackError
from deploy.local.topics import broker_of, make_topics

if TYPE_CHECKING:
    from collections.abc import Mapping

_PATIENCE_SECONDS: Final = 60.0
_PAUSE_SECONDS: Final = 1.0


async def topics(environ: Mapping[str, str], patience: float = _PATIENCE_SECONDS) -> int:
    """Create what is missing and return how many topics there are; StackError when no broker answered in time."""
    kafka = broker_of(environ)
    until = time.monotonic() + patience
    while True:
        try:
            return await make_topics(kafka, environ)
        except StackError:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(_PAUSE_SECONDS)


def main() -> None:
    """Do it for the environment; exits with the reason when it cannot."""
    try:
        print(f"{asyncio.run(topics(os.environ))} topics are there", file=sys.stderr)
    except StackError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
