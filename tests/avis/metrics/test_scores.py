import numpy as np
import pyarrow as pa
import pytest

from avis.metrics.scores import ErrorRates, check, error_rates, sort_scores


def test_error_rates_by_hand_with_ties() -> None:
    rates = error_rates([1, 1, 0, 1, 0, 0], [True, True, True, False, False, False])
    np.testing.assert_array_equal(rates.thresholds, [0, 1, np.inf])
    np.testing.assert_array_equal(rates.misses, [0, 1, 3])
    np.testing.assert_array_equal(rates.false_alarms, [3, 1, 0])
    np.testing.assert_allclose(rates.fnr, [0, 1 / 3, 1])
    np.testing.assert_allclose(rates.fpr, [1, 1 / 3, 0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.9])
@pytest.mark.parametrize("decimals", [0, 1, 8])
def test_error_rates_match_the_definition_and_the_curve_is_straight_between(
    share: float, decimals: int, dtype: type
) -> None:
    rng = np.random.default_rng(3)
    target = rng.random(300) < share
    scores = rng.normal(target).round(decimals).astype(dtype)
    rates = error_rates(scores, target)
    assert rates.thresholds[-1] == np.inf
    np.testing.assert_array_equal(rates.misses, [np.sum(scores[target] < t) for t in rates.thresholds])
    np.testing.assert_array_equal(rates.false_alarms, [np.sum(scores[~target] >= t) for t in rates.thresholds])
    every = np.append(np.unique(scores), np.inf)
    full = sort_scores(scores, target).rates_at(every)
    np.testing.assert_array_equal(full.false_alarms, [np.sum(scores[~target] >= t) for t in every])
    np.testing.assert_allclose(full.fnr - full.fpr, np.interp(full.misses - full.false_alarms, *curve(rates)))
    assert np.isin(rates.thresholds, every).all()
    balanced = int(np.searchsorted(full.gap, 0))
    assert np.isin(every[balanced - 1 : balanced + 1], rates.thresholds).all()


def curve(rates: ErrorRates) -> tuple[np.ndarray, np.ndarray]:
    """A path along the curve (which rises strictly) and its height above the diagonal."""
    return rates.misses - rates.false_alarms, rates.fnr - rates.fpr


def test_a_threshold_between_two_float32_scores_is_not_rounded() -> None:
    scores = np.array([0.1, np.nextafter(np.float32(0.1), np.float32(1))], dtype=np.float32)
    middle = float(scores.astype(np.float64).mean())
    rates = sort_scores(scores, [False, True]).rates_at([middle, 1e300])
    assert (rates.misses.tolist(), rates.false_alarms.tolist()) == ([0, 1], [0, 0])


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
    assert scores.dtype == np.float32
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
