from services.ingest.tables import metadata
from shared.migrate import run_environment

run_environment(metadata)
