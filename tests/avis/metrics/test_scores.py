import numpy as np
import pyarrow as pa
import pytest

from avis.metrics.scores import check, error_rates


def test_error_rates_by_hand_with_ties() -> None:
    thresholds, fnr, fpr = error_rates([1, 1, 0, 1, 0, 0], [True, True, True, False, False, False])
    np.testing.assert_array_equal(thresholds, [0, 1, np.inf])
    np.testing.assert_allclose(fnr, [0, 1 / 3, 1])
    np.testing.assert_allclose(fpr, [1, 1 / 3, 0])


def test_error_rates_match_the_definition_at_every_threshold() -> None:
    rng = np.random.default_rng(3)
    scores = rng.normal(size=300).round(1)
    target = rng.random(300) < 0.3
    thresholds, fnr, fpr = error_rates(scores, target)
    np.testing.assert_array_equal(thresholds, np.append(np.unique(scores), np.inf))
    np.testing.assert_allclose(fnr, [np.mean(scores[target] < t) for t in thresholds])
    np.testing.assert_allclose(fpr, [np.mean(scores[~target] >= t) for t in thresholds])


def test_error_rates_do_not_depend_on_order() -> None:
    rng = np.random.default_rng(4)
    scores = rng.integers(0, 5, size=200)
    target = rng.random(200) < 0.5
    order = rng.permutation(200)
    for one, other in zip(error_rates(scores, target), error_rates(scores[order], target[order]), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "target",
    [
        np.array([1, 0]),
        np.array([1.0, 0.0]),
        np.array([True, False], dtype=object),
        pa.array([True, False]),
        pa.chunked_array([[1], [0]]),
    ],
)
def test_answers_of_any_plain_dtype(target: object) -> None:
    scores, known = check(np.array([1, 0], dtype=np.float32), target)
    assert scores.dtype == np.float64
    assert known.dtype == np.bool_
    assert known.tolist() == [True, False]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_score_that_is_not_finite_is_named(bad: float) -> None:
    with pytest.raises(ValueError, match=r"Scores must be finite.*At trial index 2"):
        check([0.1, 0.2, bad, bad], [1, 0, 1, 0])


@pytest.mark.parametrize(
    "target",
    [
        pa.array([True, None, False]),
        np.array([True, None, False], dtype=object),
        [1.0, np.nan, 0.0],
        [1, 2, 0],
        np.array(["1", "x", "0"]),
        np.array([True, "yes", False], dtype=object),
    ],
)
def test_unknown_answer_is_refused(target: object) -> None:
    with pytest.raises(ValueError, match=r"Answers must be known.*At trial index [01]"):
        check([0.1, 0.2, 0.3], target)


@pytest.mark.parametrize(
    ("scores", "target", "message"),
    [
        ([], [], "Metrics need trials"),
        ([1.0, 2.0], [True], "one score and one answer"),
        ([[1.0, 2.0]], [[True, False]], "one score and one answer"),
        ([1.0, 2.0], [True, True], "num_nontarget=0"),
        ([1.0, 2.0], [False, False], "num_target=0"),
    ],
)
def test_trials_that_cannot_be_judged(scores: list, target: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check(scores, target)
