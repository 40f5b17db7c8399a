"""The log of record, case by case: `python -m tests.archive`."""
