"""`python -m services.alerts`."""

from services.alerts.app import run
from services.alerts.settings import Settings
from shared.service import run_process

if __name__ == "__main__":
    run_process(lambda: run(Settings.load()))
