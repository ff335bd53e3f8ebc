"""One HTML page for an evaluation, with nothing outside the file."""

import base64
from typing import Any, NamedTuple

import jinja2
from markupsafe import Markup

from avis.reports.figure_rows import (
    difference_rows,
    equalised_notes,
    figure_rows,
    headline_rows,
    identification_rows,
    protocol_rows,
)
from avis.reports.page import ListReport, Report
from avis.reports.reading import reading
from avis.reports.subgroup_rows import group_tables

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


class Picture(NamedTuple):
    """One plot: its heading, how to read it, and the picture as a data URI."""

    heading: str
    reading: str
    uri: Markup


def report_page(report: Report) -> str:
    """Return a self-contained page: figures with intervals and meaning, plots, groups, worst trials, and warnings.

    Raises
    ------
    ValueError
        If a picture is not a PNG file.
    """
    assert report.lists, "a report needs at least one trial list"
    return render("report.html.j2", title=report.title, facts=report.facts, lists=list(map(_list_view, report.lists)))


def render(template: str, *, package: str = "avis.reports", **values: Any) -> str:
    """Return a page; everything in it that did not come from a template is escaped.

    Parameters
    ----------
    template : str
        Name of its file; it may extend the templates here.
    package : str
        Beside whose code it lies.
    **values
        What it is filled with.
    """
    loaders = [jinja2.PackageLoader(name, package_path="") for name in dict.fromkeys([package, "avis.reports"])]
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(loaders),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(values)


def _list_view(report: ListReport) -> dict[str, Any]:
    metrics = report.metrics
    return {
        "name": report.name,
        "headlines": headline_rows(metrics),
        "confidence": f"{metrics.intervals.draws.confidence:.0%} interval" if metrics.intervals else "",
        "cautions": report.cautions,
        "reading": reading(metrics),
        "rows": list(figure_rows(metrics).values()),
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
