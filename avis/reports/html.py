"""One HTML page for an evaluation, with nothing outside the file."""

import base64
from typing import Any, NamedTuple

import jinja2
from markupsafe import Markup

from avis.metrics.equalised import ACT, MIN
from avis.metrics.figures import ACT_DCF, CLLR, EER, MIN_DCF, Figure
from avis.metrics.intervals import Intervals
from avis.metrics.list_metrics import Baseline, ListFigures, ListMetrics
from avis.metrics.summary import Summary
from avis.reports.cautions import cautions
from avis.reports.identification_rows import identification_rows
from avis.reports.page import ListReport, Report
from avis.reports.reading import reading
from avis.reports.subgroup_rows import group_tables
from avis.reports.wording import (
    EER_THRESHOLD,
    PROTOCOL_COSTS,
    WORDS,
    describe,
    difference,
    difference_interval,
    in_reading_order,
    interval,
    p_value,
    value,
)

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

PICTURES = {
    "det": (
        "Detection error trade-off",
        "Each point of the line is one possible threshold. Further to the lower left is better; the dot marks the "
        "equal error rate. The band, if there is one, is the interval of the curve over speakers, point by point.",
    ),
    "histogram": (
        "Scores",
        "How the scores of both kinds of trial are spread. The less the two overlap, the fewer errors; trials right of "
        "the dashed line are accepted.",
    ),
    "tippett": (
        "Tippett plot",
        "How many trials of each kind reach a likelihood ratio. Left of 0 the same speaker looks like another, right "
        "of it another like the same: the closer the two lines come to a step at 0, the better.",
    ),
    "pav": (
        "Calibration",
        "Likelihood ratios as given, against those that these trials bear out. Flatter than the diagonal means too "
        "sure of itself, shifted means biased. The outermost steps rest on few trials.",
    ),
    "bayes_error": (
        "Bayes error",
        "Cost of errors for every share of same-speaker trials. Where the dashed line is above the full one, cost is "
        "lost to calibration; above 1 it would be better not to listen at all. Dotted: shares of 1 % and 5 %.",
    ),
}
"""Kinds of plot that a report shows, in this order: heading and reading aid."""

HEADLINES = (EER, Figure(MIN_DCF, "0.01"), Figure(ACT_DCF, "0.01"), CLLR)


class Row(NamedTuple):
    """One figure of a table: its name, its value and interval as text, and what it says in plain words."""

    name: str
    value: str
    interval: str
    meaning: str


class Picture(NamedTuple):
    """One plot: its heading, how to read it, and the picture as a data URI."""

    heading: str
    reading: str
    uri: Markup


class DifferenceRow(NamedTuple):
    """One figure of two systems, as text: this one's, the other's, their difference, its interval and p-value."""

    name: str
    ours: str
    theirs: str
    difference: str
    interval: str
    p_value: str


def report_page(report: Report) -> str:
    """Return a self-contained page: figures with intervals and meaning, plots, groups, worst trials, and warnings.

    Raises
    ------
    ValueError
        If a picture is not a PNG file.
    """
    assert report.lists, "a report needs at least one trial list"
    return render("report.html.j2", title=report.title, facts=report.facts, lists=list(map(_list_view, report.lists)))


def render(template: str, **values: Any) -> str:
    """Return a page; everything in it that did not come from a template is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("avis.reports", package_path=""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(values)


def _list_view(report: ListReport) -> dict[str, Any]:
    metrics = report.metrics
    rows = figure_rows(metrics)
    return {
        "name": report.name,
        "headlines": [rows[figure] for figure in HEADLINES if figure in rows],
        "confidence": f"{metrics.intervals.draws.confidence:.0%} interval" if metrics.intervals else "",
        "cautions": [*report.warnings, *cautions(metrics, report.flagged)],
        "reading": reading(metrics),
        "rows": list(rows.values()),
        "protocols": protocol_rows(metrics),
        "equalised": equalised_notes(metrics),
        "pictures": [
            Picture(*PICTURES[kind], uri=data_uri(report.pictures[kind]))
            for kind in PICTURES
            if kind in report.pictures
        ],
        "groups": group_tables(metrics.subgroups),
        "baseline": difference_rows(metrics.baseline, metrics.summary) if metrics.baseline else [],
        "identified": metrics.identification,
        "identification": identification_rows(metrics.identification) if metrics.identification else [],
        "identification_note": metrics.identification_note or "",
        "worst": [
            ("Different speakers taken for the same", "highest", report.false_accepts),
            ("Same speaker taken for another", "lowest", report.false_rejects),
        ],
        "facts": {
            "Same-speaker trials": f"{metrics.summary.num_target:,}",
            "Different-speaker trials": f"{metrics.summary.num_nontarget:,}",
            **report.facts,
        },
    }


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


def protocol_rows(metrics: ListMetrics) -> list[tuple[str, list[Row]]]:
    """Return minimum and actual cost of every published operating point, by the name of the protocol."""
    pooled: dict[str, list[Row]] = {}
    for figure, cost in metrics.summary.figures.items():
        if figure.name in PROTOCOL_COSTS:
            row = _cost_row(PROTOCOL_COSTS[figure.name], cost, metrics.intervals, figure)
            pooled.setdefault(figure.at, []).append(row)
    equalised = [
        (
            f"{name}, equalised",
            [
                _cost_row(words, of_protocol.costs[figure], of_protocol.intervals, figure)
                for figure, words in ((MIN, "minDCF"), (ACT, "actDCF"))
                if figure in of_protocol.costs
            ],
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


def _cost_row(name: str, cost: float, intervals: Intervals | None, figure: Figure) -> Row:
    ends = intervals.figures.get(figure) if intervals else None
    return Row(name, f"{cost:.4f}", interval(ends, WORDS["min_dcf"]), "")


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


def data_uri(png: bytes) -> Markup:
    """Return a picture as a URI that holds it.

    Raises
    ------
    ValueError
        If it is not a PNG file.
    """
    if not png.startswith(PNG_SIGNATURE):
        raise ValueError(f"Plots are PNG files: got the bytes {png[:8]!r}, expected a PNG. Draw it again.")
    return Markup("data:image/png;base64,") + base64.b64encode(png).decode()
