"""What becomes of a run when something around it fails: every test is a cell of a table, which the run prints."""

from collections import defaultdict
from collections.abc import Callable

import pytest

CELL = "cell of a table"


@pytest.fixture
def outcome(record_property: Callable[[str, object], None]) -> Callable[[str, str, str, str], None]:
    """Return what notes an outcome: ``outcome("fault", "503 at each third read", "prepare", "same bytes")``."""

    def note(table: str, row: str, column: str, found: str) -> None:
        record_property(CELL, (table, row, column, found))

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print each table in Markdown, rows and columns in the order of the tests; it is what `avis/README.md` shows."""
    tables: dict[str, dict[str, dict[str, str]]] = defaultdict(lambda: defaultdict(dict))
    for report in terminalreporter.getreports("passed"):
        for name, cell in report.user_properties:
            if name == CELL:
                table, row, column, found = cell
                tables[table][row][column] = found
    for table, rows in tables.items():
        columns = list(dict.fromkeys(column for cells in rows.values() for column in cells))
        terminalreporter.write_line("")
        terminalreporter.write_line(f"| {table} | {' | '.join(columns)} |")
        terminalreporter.write_line("| --- " * (len(columns) + 1) + "|")
        for row, cells in rows.items():
            terminalreporter.write_line(f"| {row} | {' | '.join(cells.get(column, '') for column in columns)} |")
