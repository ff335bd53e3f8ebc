"""The page that compares runs: figures side by side, differences, settings; self-contained and escaped."""

import numpy as np
import pytest

from avis.metrics.bootstrap import Resampling, paired_difference
from avis.metrics.error_curve import error_curve
from avis.metrics.figures import CLLR, EER, FigureSet
from avis.metrics.list_metrics import Baseline, ListFigures
from avis.metrics.summary import summarize
from avis.metrics.trials import Trials
from avis.reports.comparison import ComparedList, Comparison, comparison_page, side_by_side
from avis.reports.drawing import png
from avis.reports.score_plots import histogram_plot

RUNS = {"first": "/runs/first", "second": "/runs/second"}


def trials(seed: int, distance: float) -> Trials:
    rng = np.random.default_rng(seed)
    speakers = np.repeat(np.arange(10), 4)
    enroll, test = np.triu_indices(40, k=1)
    target = speakers[enroll] == speakers[test]
    return Trials(rng.normal(distance * target), target, None, speakers[enroll], speakers[test])


ONE, TWO = trials(0, 1.0), trials(1, 4.0)
METRICS = {run: ListFigures(summary=summarize(*each[:2])) for run, each in zip(RUNS, (ONE, TWO), strict=True)}
DIFFERENCES = paired_difference(TWO, ONE, Resampling(num_draws=60, confidence=0.9, seed=0), figure_set=FigureSet())


def page(**changes: object) -> str:
    compared = ComparedList(
        "dev",
        METRICS,
        {"second": Baseline("/runs/first/scores", METRICS["first"].summary, DIFFERENCES)},
        png(histogram_plot(error_curve(*ONE[:2]), 0.0)),
        [],
    )
    settings = {"model.channels": {"first": "16", "second": ""}}
    return comparison_page(Comparison(RUNS, [compared._replace(**changes)], settings))


def test_figures_differences_and_settings_appear():
    text = page().replace("\N{NO-BREAK SPACE}", " ")
    eers = [f"{100 * METRICS[run].summary.figures[EER]:.2f} %" for run in RUNS]
    assert text.index(eers[0]) < text.index(eers[1])
    found = DIFFERENCES.figures[EER]
    assert f"{100 * found.difference:+.2f} points".replace("-", "\N{MINUS SIGN}") in text
    assert f"{found.p_value:.3f}" in text
    assert "lower than that of first, more than chance explains" in text
    assert "model.channels" in text
    assert "/runs/second" in text


def test_a_figure_that_one_run_lacks_is_left_empty():
    llr = ListFigures(summary=summarize([1, -1], [True, False], [1, -1]))
    rows = dict(side_by_side({"first": METRICS["first"], "second": llr}, list(RUNS)))
    assert rows["Cllr"]["first"] is None
    assert rows["Cllr"]["second"].value == f"{llr.summary.figures[CLLR]:.4f}"


def test_notes_stand_for_what_is_missing():
    text = page(det=None, baselines={}, notes=["second: other trials"])
    assert "second: other trials" in text
    assert "<img" not in text


def test_the_page_is_self_contained_and_escaped():
    attack = "<script>'\"&"
    compared = ComparedList(attack, dict.fromkeys([attack, "b"], METRICS["first"]), {}, None, [attack])
    settings = {attack: {attack: attack, "b": ""}}
    text = comparison_page(Comparison({attack: attack, "b": "x"}, [compared], settings))
    assert "<script" not in text
    for outside in ("http:", "https:", "url(", "@import", "<link"):
        assert outside not in text + page()


def test_one_run_is_no_comparison():
    with pytest.raises(AssertionError, match="at least two runs"):
        comparison_page(Comparison({"only": "x"}, [], {}))
