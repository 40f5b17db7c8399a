"""`python -m services.health`."""

import asyncio
import sys

from services.health.app import run
from services.health.settings import Settings

if __name__ == "__main__":
    sys.exit(asyncio.run(run(Settings.load())))
