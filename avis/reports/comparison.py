"""One HTML page that puts several runs side by side, with nothing outside the file."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from avis.reports.figure_words import describe, in_reading_order
from avis.reports.html import Difference, Row, data_uri, difference_rows, figure_rows, render
from avis.reports.reading import verdict


class ComparedList(NamedTuple):
    """One trial list that several runs were evaluated on.

    Attributes
    ----------
    name
        Of the list.
    metrics
        By run, as in ``metrics.json``.
    differences
        By run other than the first: ``metrics`` of the first and ``differences`` from it (see
        `avis.metrics.bootstrap.paired_difference`), whose p-values are adjusted for the number of runs.
    det
        PNG file with the curves of all runs, if their scores could be read.
    notes
        What could not be compared, and why.
    """

    name: str
    metrics: Mapping[str, Mapping[str, Any]]
    differences: Mapping[str, Mapping[str, Any]]
    det: bytes | None
    notes: Sequence[str]


class Comparison(NamedTuple):
    """Several runs: where each is, the trial lists they share, and the settings in which their configurations differ.

    ``settings`` has, by dotted key and run, the value as text; empty where a run lacks the key.
    """

    runs: Mapping[str, str]
    lists: Sequence[ComparedList]
    settings: Mapping[str, Mapping[str, str]]


def comparison_page(comparison: Comparison) -> str:
    """Return a self-contained page: figures side by side, differences from the first run, DET curves, settings."""
    assert len(comparison.runs) > 1, "a comparison needs at least two runs"
    return render(
        "compare.html.j2",
        title="Speaker verification: runs compared",
        runs=comparison.runs,
        lists=[_list_view(compared, list(comparison.runs)) for compared in comparison.lists],
        settings=comparison.settings,
    )


def _list_view(compared: ComparedList, runs: Sequence[str]) -> dict[str, Any]:
    first = runs[0]
    return {
        "name": compared.name,
        "rows": side_by_side(compared.metrics, runs),
        "notes": compared.notes,
        "verdicts": {run: verdict(found, other=first) for run, found in compared.differences.items()},
        "differences": {run: _differences(compared, run) for run in compared.differences},
        "det": None if compared.det is None else data_uri(compared.det),
    }


def side_by_side(
    metrics: Mapping[str, Mapping[str, Any]], runs: Sequence[str]
) -> list[tuple[str, dict[str, Row | None]]]:
    """Return each figure's name and row by run (None where a run lacks it), in reading order."""
    tables = {run: figure_rows(metrics[run]) if run in metrics else {} for run in runs}
    paths = in_reading_order({path: None for table in tables.values() for path in table})
    rows = []
    for path in paths:
        words = describe(path)
        assert words is not None, path
        rows.append((words.name, {run: table.get(path) for run, table in tables.items()}))
    return rows


def _differences(compared: ComparedList, run: str) -> list[Difference]:
    return difference_rows(compared.differences[run], compared.metrics[run])
