"""Figures of a list as rows of tables: their names, values, intervals and meanings as text."""

from typing import NamedTuple

from avis.metrics.figures import ACT_DCF, CLLR, EER, MIN_DCF, Figure
from avis.metrics.identification import IdentificationFigures
from avis.metrics.intervals import Intervals
from avis.metrics.list_metrics import Baseline, ListFigures, ListMetrics
from avis.metrics.summary import Summary
from avis.reports.wording import (
    EER_THRESHOLD,
    NBSP,
    PROTOCOL_COSTS,
    WORDS,
    describe,
    difference,
    difference_interval,
    in_reading_order,
    interval,
    p_value,
    percent,
    value,
)

HEADLINES = (EER, Figure(MIN_DCF, "0.01"), Figure(ACT_DCF, "0.01"), CLLR)


class Row(NamedTuple):
    """One figure of a table: its name, its value and interval as text, and what it says in plain words."""

    name: str
    value: str
    interval: str
    meaning: str


class DifferenceRow(NamedTuple):
    """One figure of two systems, as text: this one's, the other's, their difference, its interval and p-value."""

    name: str
    ours: str
    theirs: str
    difference: str
    interval: str
    p_value: str


def figure_rows(metrics: ListFigures) -> dict[Figure, Row]:
    """Return the rows of the table of figures, in reading order."""
    summary, intervals = metrics.summary, metrics.intervals.figures if metrics.intervals else {}
    figures = {**summary.figures, EER_THRESHOLD: summary.eer_threshold}
    rows = {}
    for figure in in_reading_order(figures):
        words = describe(figure)
        ends = interval(intervals.get(figure), words)
        rows[figure] = Row(words.name, value(figures[figure], words), ends, words.meaning)
    return rows


def headline_rows(metrics: ListFigures) -> list[Row]:
    """Return the rows of the few figures that stand above all others."""
    rows = figure_rows(metrics)
    return [rows[figure] for figure in HEADLINES if figure in rows]


def protocol_rows(metrics: ListMetrics) -> list[tuple[str, list[Row]]]:
    """Return minimum and actual cost of every published operating point, by the name of the protocol."""
    pooled: dict[str, list[Row]] = {}
    for figure, cost in metrics.summary.figures.items():
        if figure.name in PROTOCOL_COSTS:
            pooled.setdefault(figure.at, []).append(_cost_row(figure, cost, metrics.intervals))
    equalised = [
        (
            f"{name}, equalised",
            [_cost_row(figure, cost, of_protocol.intervals) for figure, cost in of_protocol.costs.items()],
        )
        for name, of_protocol in metrics.dcf_equalised.items()
    ]
    return [*pooled.items(), *equalised]


def equalised_notes(metrics: ListMetrics) -> list[str]:
    """Say over which parts the costs of a protocol are equalised."""
    return [
        f"{name}, equalised: rates are means over {of_protocol.num_partitions:,} parts of the list "
        f"({', '.join(of_protocol.columns)}), so that each counts alike; {of_protocol.num_left_out:,} trials belong to "
        "none."
        for name, of_protocol in metrics.dcf_equalised.items()
    ]


def difference_rows(baseline: Baseline, summary: Summary) -> list[DifferenceRow]:
    """Return how each figure of a system, whose summary is given, differs from its baseline's."""
    rows = []
    differences = baseline.differences.figures
    for figure in in_reading_order(figure for figure in summary.figures if figure in differences):
        words, of_figure = describe(figure), differences[figure]
        rows.append(
            DifferenceRow(
                words.name,
                value(summary.figures[figure], words),
                value(baseline.summary.figures[figure], words),
                difference(of_figure.difference, words),
                difference_interval(of_figure.interval, words),
                p_value(of_figure.p_value),
            )
        )
    return rows


def identification_rows(figures: IdentificationFigures) -> list[Row]:
    """Return the rows of the table: closed set by rank, then open set by false-alarm rate."""
    closed = [
        Row(
            f"Closed set, rank {rank}",
            percent(accuracy),
            "",
            "Probes of enrolled speakers for whom nobody else scores as much."
            if rank == 1
            else f"Probes of enrolled speakers who are among the {rank} that score best.",
        )
        for rank, accuracy in figures.closed_set.items()
    ]
    opened = [
        Row(
            f"Open set, false alarms {100 * rate:g}{NBSP}%",
            percent(reached.rate),
            "",
            f"Probes of enrolled speakers found and named first, at the threshold {reached.threshold:.4f} that "
            f"{percent(reached.false_alarm_rate)} of strangers' probes reach.",
        )
        for rate, reached in figures.open_set.items()
    ]
    return closed + opened


def _cost_row(figure: Figure, cost: float, intervals: Intervals | None) -> Row:
    ends = intervals.figures.get(figure) if intervals else None
    return Row(PROTOCOL_COSTS[figure.name], f"{cost:.4f}", interval(ends, WORDS["min_dcf"]), "")
