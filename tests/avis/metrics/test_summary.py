import json
import time

import numpy as np
import pytest

from avis.metrics.figures import Wanted
from avis.metrics.operating_point import OperatingPoint
from avis.metrics.summary import summarize


def test_summary_of_a_hand_computed_case() -> None:
    summary = summarize([2, 1, 0, 1.5, 0.5, -1, -2, -3], [1, 1, 1, 0, 0, 0, 0, 0])
    assert set(summary) == {
        *("eer", "eer_threshold", "eer_rocch", "min_dcf", "auc", "accuracy", "fnmr", "fmr", "fnmr_at_fmr"),
        *("min_cllr", "dcf", "reversed", "num_target", "num_nontarget"),
    }
    assert summary["eer"] == pytest.approx(1 / 3)
    assert summary["min_dcf"] == {"0.01": pytest.approx(2 / 3), "0.05": pytest.approx(2 / 3)}
    assert summary["auc"] == pytest.approx(12 / 15)
    assert 0.5 < summary["eer_threshold"] <= 1.0
    assert summary["accuracy"] == pytest.approx(6 / 8)
    assert (summary["num_target"], summary["num_nontarget"]) == (3, 5)


def test_summary_is_plain_json() -> None:
    summary = summarize(np.array([1, 0], dtype=np.float32), np.array([True, False]))
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


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
    assert set(calibrated) - set(raw) == {"cllr", "calibration_loss", "act_dcf"}
    assert calibrated["cllr"] == pytest.approx(0.527613, abs=1e-6)
    assert calibrated["calibration_loss"] == pytest.approx(0.277613, abs=1e-6)
    assert calibrated["act_dcf"] == {"0.01": 1.0, "0.05": 0.75}  # ln 99 rejects all; ln 19 accepts the target at 3
    assert calibrated["dcf"]["SRE21"]["act"] == pytest.approx(np.mean(list(calibrated["act_dcf"].values())))
    assert set(raw["dcf"]["SRE21"]) == {"min"}
    assert raw["dcf"]["VoxSRC"]["min"] == raw["min_dcf"]["0.05"]


def test_scores_whose_sign_is_turned_are_flagged() -> None:
    summary = summarize([0, 0, 1, 1], [True, True, False, False])
    assert summary["reversed"] is True
    assert (summary["eer"], summary["eer_rocch"], summary["auc"]) == (1.0, 0.5, 0.0)
    assert summarize([1, 0], [True, False])["reversed"] is False


def test_protocols_of_ones_own_are_checked() -> None:
    wanted = Wanted(protocols={"mine": (OperatingPoint(0.5),)}, fmrs=(0.25,))
    summary = summarize([3, 2, 1, -0.5, 0.5, -1, -2, -3], np.repeat([True, False], 4), wanted=wanted)
    assert summary["dcf"] == {"mine": {"min": 0.25}}
    assert summary["fnmr_at_fmr"] == {"0.25": 0.0}
    with pytest.raises(ValueError, match="fmr=2"):
        summarize([1, 0], [True, False], wanted=Wanted(fmrs=(2.0,)))
