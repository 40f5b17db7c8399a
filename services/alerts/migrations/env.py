from services.alerts.tables import metadata
from shared.migrate import run_environment

run_environment(metadata)
