"""`python -m services.revenue`."""

import asyncio
import sys

from services.revenue.app import run
from services.revenue.settings import Settings

if __name__ == "__main__":
    sys.exit(asyncio.run(run(Settings.load())))
