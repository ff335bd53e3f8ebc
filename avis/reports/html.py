"""One HTML page for an evaluation, with nothing outside the file."""

import base64
from collections.abc import Mapping
from typing import Any, NamedTuple

import jinja2
from markupsafe import Markup

from avis.metrics.bootstrap import flatten
from avis.reports.cautions import cautions
from avis.reports.figure_words import (
    PROTOCOL_COSTS,
    WORDS,
    Path,
    describe,
    difference,
    difference_interval,
    in_reading_order,
    interval,
    p_value,
    value,
)
from avis.reports.identification_rows import identification_rows
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

HEADLINES: tuple[Path, ...] = (("eer",), ("min_dcf", "0.01"), ("act_dcf", "0.01"), ("cllr",))


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


class Difference(NamedTuple):
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
        "headlines": [rows[path] for path in HEADLINES if path in rows],
        "confidence": f"{metrics['intervals']['confidence']:.0%} interval" if metrics.get("intervals") else "",
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
        "groups": group_tables(metrics.get("subgroups", {})),
        "baseline": difference_rows(metrics["baseline"], metrics) if "baseline" in metrics else [],
        "identified": metrics.get("identification"),
        "identification": identification_rows(metrics["identification"]) if metrics.get("identification") else [],
        "identification_note": metrics.get("identification_note", ""),
        "worst": [
            ("Different speakers taken for the same", "highest", report.false_accepts),
            ("Same speaker taken for another", "lowest", report.false_rejects),
        ],
        "facts": {
            "Same-speaker trials": f"{metrics['num_target']:,}",
            "Different-speaker trials": f"{metrics['num_nontarget']:,}",
            **report.facts,
        },
    }


def figure_rows(metrics: Mapping[str, Any]) -> dict[Path, Row]:
    """Return the rows of the table of figures by their paths in ``metrics.json``, in reading order."""
    figures, intervals = flatten(_figures_only(metrics)), _intervals(metrics)
    rows = {}
    for path in in_reading_order(figures):
        words = describe(path)
        assert words is not None, path
        rows[path] = Row(words.name, value(figures[path], words), interval(intervals.get(path), words), words.meaning)
    return rows


def protocol_rows(metrics: Mapping[str, Any]) -> list[tuple[str, list[Row]]]:
    """Return minimum and actual cost of every published operating point, by the name of the protocol."""
    intervals = _intervals(metrics)
    pooled = [
        (name, _cost_rows(costs, {kind: intervals.get(("dcf", name, kind)) for kind in costs}))
        for name, costs in metrics["dcf"].items()
    ]
    equalised = [
        (f"{name}, equalised", _cost_rows(found, (found["intervals"] or {}).get("figures") or {}))
        for name, found in metrics.get("dcf_equalised", {}).items()
    ]
    return [*pooled, *equalised]


def equalised_notes(metrics: Mapping[str, Any]) -> list[str]:
    """Say over which parts the costs of a protocol are equalised."""
    return [
        f"{name}, equalised: rates are means over {found['num_partitions']:,} parts of the list "
        f"({', '.join(found['columns'])}), so that each counts alike; {found['num_left_out']:,} trials belong to none."
        for name, found in metrics.get("dcf_equalised", {}).items()
    ]


def _cost_rows(costs: Mapping[str, float], intervals: Mapping[str, Any]) -> list[Row]:
    return [
        Row(PROTOCOL_COSTS[kind], f"{costs[kind]:.4f}", interval(intervals.get(kind), WORDS["min_dcf"]), "")
        for kind in PROTOCOL_COSTS
        if kind in costs
    ]


def difference_rows(compared: Mapping[str, Any], metrics: Mapping[str, Any]) -> list[Difference]:
    """Return how each figure of ``metrics`` differs from another system's.

    Parameters
    ----------
    compared
        ``metrics`` of the other system and ``differences`` (see `avis.metrics.bootstrap.paired_difference`).
    metrics
        This system's.
    """
    ours, theirs = flatten(_figures_only(metrics)), flatten(_figures_only(compared["metrics"]))
    rows = []
    for path in in_reading_order({path: None for path in ours if path in theirs}):
        words, found = describe(path), _at(compared["differences"]["figures"], path)
        if words is None or found is None:
            continue
        rows.append(
            Difference(
                words.name,
                value(ours[path], words),
                value(theirs[path], words),
                difference(found["difference"], words),
                difference_interval(found["interval"], words),
                p_value(found["p_value"]),
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


def _figures_only(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {key: metrics[key] for key in WORDS if key in metrics}


def _intervals(metrics: Mapping[str, Any]) -> dict[Path, Any]:
    found = metrics.get("intervals")
    return dict(flatten(found["figures"])) if found and found["figures"] else {}


def _at(tree: Mapping[str, Any], path: Path) -> Any:
    for key in path:
        if key not in tree:
            return None
        tree = tree[key]
    return tree
