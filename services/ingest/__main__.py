"""`python -m services.ingest`: the process."""

import gc

from services.ingest.app import run
from services.ingest.settings import Settings
from shared.service import run_process


def main() -> None:
    """Read the settings and run until told to stop."""
    settings = Settings.load()
    gc.collect()
    gc.freeze()  # what the imports made lives for ever; the collector need not walk it at every turn
    run_process(lambda: run(settings))


if __name__ == "__main__":
    main()
