"""`make delivery`: run the cases and print how each ended."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest


class Table:
    """Collects what each case has noted, and prints it when all are done."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, str, str]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            case = report.nodeid.partition("::test_")[2].replace("_", " ").replace("[", ": ").rstrip("]")
            self._rows.append((case, str(dict(report.user_properties).get("ended", "")), report.outcome))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        width = max((len(case) for case, _, _ in self._rows), default=0)
        for case, ended, outcome in self._rows:
            terminalreporter.write_line(
                f"{case.ljust(width)}  {'held  ' if outcome == 'passed' else 'BROKEN'}  {ended}"
            )


if __name__ == "__main__":
    sys.exit(pytest.main(["-q", str(Path(__file__).parent), *sys.argv[1:]], plugins=[Table()]))
