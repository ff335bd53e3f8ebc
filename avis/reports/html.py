"""One HTML page for an evaluation, with nothing outside the file."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import jinja2
from markupsafe import Markup

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Row(NamedTuple):
    """One figure of the table: its name, its value as text, and what it says in plain words."""

    name: str
    value: str
    meaning: str


class Plot(NamedTuple):
    """One plot: its heading, how to read it, and the picture as a data URI."""

    heading: str
    reading: str
    uri: Markup


PLOTS = {
    "det": (
        "Detection error trade-off",
        "Each point of a line is one possible threshold. Further to the lower left is better; the dot marks the equal "
        "error rate.",
    ),
    "histogram": (
        "Scores",
        "How the scores of both kinds of trial are spread. The less the two overlap, the fewer errors; trials right of "
        "the dashed line are accepted.",
    ),
}
"""Kinds of plot that a report shows, in this order: heading and reading aid."""


def write_report(
    path: str | Path,
    *,
    title: str,
    metrics: Mapping[str, dict],
    plots: Mapping[str, Mapping[str, str | Path]],
    facts: Mapping[str, str],
) -> None:
    """Write a self-contained page: metrics with their meaning, plots as data URIs, and what was evaluated.

    Parameters
    ----------
    path
        HTML file to write.
    title
        Heading of the page.
    metrics
        For each trial list, by its name, the result of `avis.metrics.summary.summarize`.
    plots
        For each trial list, PNG files by kind (a key of `PLOTS`).
    facts
        What was evaluated, shown in this order: trial lists, checkpoint, config hash, store, run, versions.

    Raises
    ------
    ValueError
        If a plot is not a PNG file.
    """
    assert metrics, "a report needs at least one trial list"
    assert set(plots) <= set(metrics), f"plots of trial lists without metrics: {sorted(set(plots) - set(metrics))}"
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("avis.reports", package_path=""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("report.html.j2").render(
        title=title,
        lists=[
            {
                "name": name,
                "eer": _percent(values["eer"]),
                "num_trials": f"{values['num_target'] + values['num_nontarget']:,}",
                "rows": metric_rows(values),
                "plots": _plots(plots.get(name, {})),
            }
            for name, values in metrics.items()
        ],
        facts=facts,
    )
    Path(path).write_text(page, encoding="utf-8")


def metric_rows(metrics: dict) -> list[Row]:
    """Return the rows of the metrics table of one trial list.

    Parameters
    ----------
    metrics
        Result of `avis.metrics.summary.summarize`.

    Returns
    -------
    list of Row
        In reading order; every figure is there.
    """
    eer = metrics["eer"]
    costs = [
        Row(
            f"minDCF ({prior})",
            f"{cost:.4f}",
            f"Lowest cost of errors where {float(prior):.0%} of trials are by the same speaker; 0 is perfect, 1 is no "
            "better than refusing or accepting everyone.",
        )
        for prior, cost in metrics["min_dcf"].items()
    ]
    return [
        Row("Equal error rate", _percent(eer), f"At one threshold both kinds of error are this frequent{_odds(eer)}."),
        Row(
            "EER threshold", f"{metrics['eer_threshold']:.4f}", "Trials scoring at least this much are accepted there."
        ),
        *costs,
        Row(
            "Area under the curve",
            f"{metrics['auc']:.4f}",
            "How often a same-speaker trial outscores a different-speaker one; 0.5 is guessing, 1 is perfect.",
        ),
        Row("Accuracy", _percent(metrics["accuracy"]), "Share of trials decided correctly at the EER threshold."),
        Row("Target trials", f"{metrics['num_target']:,}", "Trials whose two sides are the same speaker."),
        Row("Non-target trials", f"{metrics['num_nontarget']:,}", "Trials whose two sides are different speakers."),
    ]


def _odds(rate: float) -> str:
    """Spell a rate as one in so many, where that reads well."""
    return f", about 1 trial in {1 / rate:,.0f}" if 0.0 < rate <= 0.3 else ""


def _percent(rate: float) -> str:
    return f"{rate:.2%}".replace("%", "\N{NO-BREAK SPACE}%")


def _plots(paths: Mapping[str, str | Path]) -> list[Plot]:
    assert set(paths) <= set(PLOTS), f"plots of unknown kind: {sorted(set(paths) - set(PLOTS))}"
    return [Plot(*PLOTS[kind], uri=_data_uri(paths[kind])) for kind in PLOTS if kind in paths]


def _data_uri(path: str | Path) -> Markup:
    data = Path(path).read_bytes()
    if not data.startswith(PNG_SIGNATURE):
        raise ValueError(f"Plots are PNG files: got the bytes {data[:8]!r}, expected a PNG. At {path}. Draw it again.")
    return Markup("data:image/png;base64,") + base64.b64encode(data).decode()
