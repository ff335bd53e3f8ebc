import json
import time

import numpy as np
import pytest

from avis.metrics.summary import summarize


def test_summary_of_a_hand_computed_case() -> None:
    summary = summarize([2, 1, 0, 1.5, 0.5, -1, -2, -3], [1, 1, 1, 0, 0, 0, 0, 0])
    assert list(summary) == ["eer", "eer_threshold", "min_dcf", "auc", "accuracy", "num_target", "num_nontarget"]
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
