"""`python -m services.revenue`; with `rebuild` it builds the empty schema from the archive instead."""

from services.revenue.app import rebuild, run
from services.revenue.settings import Settings
from shared.rebuilding import wanted
from shared.service import run_process

if __name__ == "__main__":
    run_process(lambda: (rebuild if wanted() else run)(Settings.load()))
