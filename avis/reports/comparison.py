"""One HTML page that puts several runs side by side, with nothing outside the file."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from avis.metrics.list_metrics import Baseline, ListFigures
from avis.reports.figure_rows import Row, difference_rows, figure_rows
from avis.reports.html import data_uri, render
from avis.reports.reading import verdict
from avis.reports.wording import describe, in_reading_order


class ComparedList(NamedTuple):
    """One trial list that several runs were evaluated on.

    Attributes
    ----------
    name : str
        Name of the list.
    metrics : mapping of str to ListFigures
        Figures of the list by run.
    baselines : mapping of str to Baseline
        The first run as the baseline of every other run; p-values are adjusted for the number of runs.
    det : bytes or None
        PNG file with the curves of all runs, if their scores could be read.
    notes : sequence of str
        What could not be compared, and why.
    """

    name: str
    metrics: Mapping[str, ListFigures]
    baselines: Mapping[str, Baseline]
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
        "verdicts": {run: verdict(baseline.differences, other=first) for run, baseline in compared.baselines.items()},
        "differences": {
            run: difference_rows(baseline, compared.metrics[run].summary)
            for run, baseline in compared.baselines.items()
        },
        "det": None if compared.det is None else data_uri(compared.det),
    }


def side_by_side(metrics: Mapping[str, ListFigures], runs: Sequence[str]) -> list[tuple[str, dict[str, Row | None]]]:
    """Return each figure's name and row by run (None where a run lacks it), in reading order."""
    tables = {run: figure_rows(metrics[run]) if run in metrics else {} for run in runs}
    figures = in_reading_order({figure: None for table in tables.values() for figure in table})
    return [(describe(figure).name, {run: table.get(figure) for run, table in tables.items()}) for figure in figures]
