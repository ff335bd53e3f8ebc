"""The trial among those of the calibration."""

import numpy as np
import pytest

from avis.explain.page.histogram import below, calibration_part
from avis.explain.record import Bar
from tests.avis.explain.page import records
from tests.avis.explain.page.document import Document, number, tidy


def test_shares_below_are_those_of_the_trials_themselves() -> None:
    trials = np.random.default_rng(0).normal(size=5000)
    percentiles = np.percentile(trials, np.arange(101))
    for llr in (-5.0, -1.3, 0.0, 0.7, 5.0):
        assert below(percentiles, llr) == pytest.approx(100 * np.mean(trials < llr), abs=0.5)


def test_many_trials_at_the_bound_count_as_not_below_it() -> None:
    capped = np.clip(np.linspace(0.0, 2.0, 101), None, 1.0)
    assert below(capped, 1.0) == pytest.approx(50.0)
    assert below(capped, 1.0 + 1e-9) == 100.0


def test_the_trial_and_the_threshold_are_marked() -> None:
    explanation = records.match()
    part = calibration_part(explanation, show_threshold=True)
    page = Document(f"<figure><h3>it</h3>{part.drawing}</figure>")
    assert "this trial +5.31" in page.words
    assert "threshold 0.00" in page.words
    assert "threshold" not in Document(f"<p>{calibration_part(explanation, show_threshold=False).drawing}</p>").words
    # 5.31 is 0.81875 standard deviations above the mean of targets, below which 79.4 % of a normal distribution lie;
    # hand-made percentiles run from 0.3 to 99.7 % of one.
    assert "trials of one person 80 % have a lower ratio" in tidy(part.notes[0])
    assert "of those of two people less than 1 % one as high or higher" in tidy(part.notes[0])


def test_a_capped_trial_lies_where_it_would_without_the_cap() -> None:
    explanation = records.match()
    capped = explanation.model_copy(
        update={"llr": 2.0, "waterfall": [*explanation.waterfall, Bar(part="cap", kind="cap", llr=-3.31)]}
    )
    own, without = (calibration_part(each, show_threshold=True) for each in (capped, explanation))
    assert "this trial +5.31" in Document(f"<p>{own.drawing}</p>").words
    assert own.notes == without.notes


def test_the_table_has_the_percentiles_of_the_record() -> None:
    explanation = records.match()
    rows = calibration_part(explanation, show_threshold=True).table.rows
    targets, nontargets = explanation.calibration
    assert [number(row[1]) for row in rows] == pytest.approx(targets[::5], abs=0.00501)
    assert [number(row[2]) for row in rows] == pytest.approx(nontargets[::5], abs=0.00501)


def test_bars_cover_all_trials() -> None:
    part = calibration_part(records.match(), show_threshold=True)
    for path in Document(f"<p>{part.drawing}</p>").attributes_of("path"):
        heights = [1.02 - float(step.split("h")[0]) for step in path["d"].split("V")[1:-1]]
        assert len(heights) == 48
        assert max(heights) <= 1.0
        assert min(heights) >= 0.0


def test_without_a_calibration_there_is_none() -> None:
    assert calibration_part(records.uncalibrated(), show_threshold=True) is None
