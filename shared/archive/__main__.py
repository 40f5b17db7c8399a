"""`python -m shared.archive`."""

from shared.archive.app import run
from shared.archive.settings import Settings
from shared.service import run_process

if __name__ == "__main__":
    run_process(lambda: run(Settings.load()))
