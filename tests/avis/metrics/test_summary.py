import time

import numpy as np
import pytest

from avis.metrics.figures import ACCURACY, AUC, CALIBRATION_LOSS, CLLR, EER, EER_ROCCH, FigureSet
from avis.metrics.operating_point import OperatingPoint
from avis.metrics.protocols import PROTOCOLS
from avis.metrics.summary import Summary, summarize


def at(summary: Summary, name: str) -> dict[str, float]:
    return {figure.at: value for figure, value in summary.figures.items() if figure.name == name}


def test_summary_of_a_hand_computed_case() -> None:
    summary = summarize([2, 1, 0, 1.5, 0.5, -1, -2, -3], [1, 1, 1, 0, 0, 0, 0, 0])
    assert {figure.name for figure in summary.figures} == {
        *("eer", "eer_rocch", "auc", "accuracy", "fnmr", "fmr", "fnmr_at_fmr", "min_cllr", "min_dcf"),
        "protocol_min_dcf",
    }
    assert summary.figures[EER] == pytest.approx(1 / 3)
    assert at(summary, "min_dcf") == {"0.01": pytest.approx(2 / 3), "0.05": pytest.approx(2 / 3)}
    assert summary.figures[AUC] == pytest.approx(12 / 15)
    assert 0.5 < summary.eer_threshold <= 1.0
    assert summary.figures[ACCURACY] == pytest.approx(6 / 8)
    assert (summary.num_target, summary.num_nontarget) == (3, 5)


def test_figures_are_plain_numbers() -> None:
    summary = summarize(np.array([1, 0], dtype=np.float32), np.array([True, False]))
    assert {type(value) for value in summary.figures.values()} == {float}
    assert [type(value) for value in (summary.eer_threshold, summary.reversed, summary.num_target)] == [
        float,
        bool,
        int,
    ]


def test_a_million_trials_take_about_a_second() -> None:
    rng = np.random.default_rng(0)
    target = rng.random(1_000_000) < 0.1
    scores = rng.normal(3 * target).astype(np.float32)
    start = time.process_time()
    summarize(scores, target)
    assert time.process_time() - start < 3.0


def test_figures_of_likelihood_ratios_are_stated_only_where_there_are_some() -> None:
    scores = np.array([3, 2, 1, -0.5, 0.5, -1, -2, -3])
    target = np.repeat([True, False], 4)
    raw, calibrated = summarize(scores, target), summarize(scores / 10, target, llr=scores)
    more = {figure.name for figure in set(calibrated.figures) - set(raw.figures)}
    assert more == {"cllr", "calibration_loss", "act_dcf", "protocol_act_dcf"}
    assert calibrated.figures[CLLR] == pytest.approx(0.527613, abs=1e-6)
    assert calibrated.figures[CALIBRATION_LOSS] == pytest.approx(0.277613, abs=1e-6)
    assert at(calibrated, "act_dcf") == {"0.01": 1.0, "0.05": 0.75}  # ln 99 rejects all; ln 19 accepts the target at 3
    assert calibrated.figures["protocol_act_dcf", "SRE21"] == pytest.approx(0.875)
    assert list(at(raw, "protocol_min_dcf")) == list(PROTOCOLS)
    assert raw.figures["protocol_min_dcf", "VoxSRC"] == raw.figures["min_dcf", "0.05"]


def test_scores_whose_sign_is_turned_are_flagged() -> None:
    summary = summarize([0, 0, 1, 1], [True, True, False, False])
    assert summary.reversed is True
    assert [summary.figures[figure] for figure in (EER, EER_ROCCH, AUC)] == [1.0, 0.5, 0.0]
    assert summarize([1, 0], [True, False]).reversed is False


def test_protocols_of_ones_own_are_checked() -> None:
    figure_set = FigureSet(protocols={"mine": (OperatingPoint(0.5),)}, fmrs=(0.25,))
    summary = summarize([3, 2, 1, -0.5, 0.5, -1, -2, -3], np.repeat([True, False], 4), figure_set=figure_set)
    assert at(summary, "protocol_min_dcf") == {"mine": 0.25}
    assert at(summary, "fnmr_at_fmr") == {"0.25": 0.0}
    with pytest.raises(ValueError, match="fmr=2"):
        summarize([1, 0], [True, False], figure_set=FigureSet(fmrs=(2.0,)))
