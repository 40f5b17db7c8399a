"""`make archive`: runs every test of the archive and of rebuilding from it; prints a table of cases and outcomes."""

from __future__ import annotations

import sys

import pytest

from cli.output import console, table

CASES = (
    "tests/unit/archive",
    "tests/integration/archive",
    "tests/chaos/test_archive_twin.py",
    "tests/e2e/test_rebuild.py",
)


class Outcomes:
    """Notes what came of each case."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, str]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            case = report.nodeid.rpartition("::")[2].removeprefix("test_").replace("_", " ")
            self.rows.append((case, f"{report.duration:.1f}", report.outcome if report.when == "call" else "error"))


def main() -> int:
    """Run the cases; return pytest's exit code."""
    outcomes = Outcomes()
    code = pytest.main(["-q", "--no-header", *CASES], plugins=[outcomes])
    console().print(table(("case", "seconds>", "outcome"), outcomes.rows))
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
