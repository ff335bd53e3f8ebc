import numpy as np
import pytest
from sklearn.metrics import accuracy_score, roc_auc_score

from avis.metrics.roc import accuracy, area_under_curve


@pytest.mark.parametrize("decimals", [0, 1, 8])
def test_area_equals_scikit_learn(decimals: int) -> None:
    rng = np.random.default_rng(decimals)
    target = rng.random(3000) < 0.1
    scores = rng.normal(1.0 * target).round(decimals)
    assert area_under_curve(scores, target) == pytest.approx(roc_auc_score(target, scores), abs=1e-12)
    assert area_under_curve(-scores, target) == pytest.approx(1 - roc_auc_score(target, scores), abs=1e-12)


def test_area_of_constant_scores_is_half() -> None:
    assert area_under_curve([3.0] * 7, [True] * 2 + [False] * 5) == 0.5


def test_accuracy_equals_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    target = rng.random(500) < 0.5
    scores = rng.normal(target).round(1)
    assert accuracy(scores, target, 0.3) == pytest.approx(accuracy_score(target, scores >= 0.3))


def test_float32_score_equal_to_its_own_threshold_is_accepted() -> None:
    score = np.float32(0.1)
    assert accuracy(np.array([score, 0], dtype=np.float32), [True, False], float(score)) == 1.0


def test_threshold_must_be_a_number() -> None:
    with pytest.raises(ValueError, match="threshold=nan"):
        accuracy([1, 0], [True, False], np.nan)
