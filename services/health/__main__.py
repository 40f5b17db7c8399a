"""`python -m services.health`."""

from services.health.app import run
from services.health.settings import Settings
from shared.service import run_process

if __name__ == "__main__":
    run_process(lambda: run(Settings.load()))
