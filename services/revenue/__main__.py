"""`python -m services.revenue`."""

from services.revenue.app import run
from services.revenue.settings import Settings
from shared.service import run_process

if __name__ == "__main__":
    run_process(lambda: run(Settings.load()))
