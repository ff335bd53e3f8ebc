import numpy as np
import pytest
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression

from avis.metrics.eer import equal_error_rate
from avis.scoring.calibration import Calibration, ScoresDoNotRise
from avis.scoring.fusion import Fusion

P_TARGET = 0.05


def gaussian(
    means: list[float], covariance: list[list[float]], *, num: int = 40_000, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of systems around ``means`` for targets and ``-means`` for as many non-targets, with shared errors."""
    target = np.arange(num) < num // 2
    errors = np.random.default_rng(seed).multivariate_normal(np.zeros(len(means)), covariance, num)
    return np.where(target, 1.0, -1.0)[:, None] * means + errors, target


def fitted(scores: np.ndarray, target: np.ndarray, *, l2: float = 1e-4, p_target: float = P_TARGET) -> Fusion:
    fusion = Fusion(p_target=p_target, l2=l2)
    fusion.fit(scores, target)
    return fusion


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("means", "covariance"),
    [
        ([1.0, 1.5], [[1.0, 0.0], [0.0, 1.0]]),
        ([1.5, 2.0], [[1.0, 0.0], [0.0, 4.0]]),
        ([1.5, 1.2, 0.8], [[1.0, 0.5, 0.2], [0.5, 1.0, 0.3], [0.2, 0.3, 1.0]]),
        ([1.5, 0.5], [[1.0, 0.8], [0.8, 1.0]]),  # the second has a negative weight: it knows the first one's errors
    ],
)
def test_gaussian_errors_have_a_known_optimum(means: list[float], covariance: list[list[float]]) -> None:
    """The ratio is linear with weights 2 C^-1 m and no offset; it errs like a Gaussian of d' = 2 sqrt(m C^-1 m)."""
    scores, target = gaussian(means, covariance, num=200_000)
    fusion = fitted(scores, target, p_target=0.5)
    precision = np.linalg.inv(covariance) @ means
    assert fusion.weights == pytest.approx(2 * precision, rel=0.03, abs=0.03)
    assert fusion.offset == pytest.approx(0.0, abs=0.05)
    fresh, answers = gaussian(means, covariance, num=200_000, seed=1)
    optimum = norm.cdf(-np.sqrt(means @ precision))
    assert equal_error_rate(fusion.uncapped_llr(fresh), answers)[0] == pytest.approx(optimum, rel=0.03)
    assert optimum < min(equal_error_rate(system, answers)[0] for system in fresh.T)


@pytest.mark.parametrize("p_target", [0.01, 0.5])
def test_weights_are_those_of_scikit_learn_at_the_same_prior(p_target: float) -> None:
    scores, target = gaussian([1.0, 1.3, 0.2], [[1.0, 0.3, 0.0], [0.3, 2.0, 0.0], [0.0, 0.0, 1.0]], num=4000)
    scores, target = scores[1000:] * [1.0, 30.0, 0.01] + [0.0, 200.0, 5.0], target[1000:]
    fusion = fitted(scores, target, p_target=p_target, l2=1e-9)
    share = np.where(target, p_target / target.sum(), (1 - p_target) / np.sum(~target))
    inputs = (scores - scores.mean(axis=0)) / scores.std(axis=0)
    reference = LogisticRegression(C=1e9, tol=1e-10, max_iter=10_000).fit(
        inputs, target, sample_weight=share * target.size
    )
    weights = reference.coef_[0] / scores.std(axis=0)
    assert fusion.weights == pytest.approx(weights, rel=1e-3)
    prior = np.log(p_target) - np.log1p(-p_target)
    assert fusion.offset == pytest.approx(reference.intercept_[0] - weights @ scores.mean(axis=0) - prior, rel=1e-3)


def test_the_order_and_scale_of_systems_do_not_matter() -> None:
    scores, target = gaussian([1.0, 1.5, 0.7], np.eye(3).tolist(), num=2000)
    expected = fitted(scores, target)
    order, scale = [2, 0, 1], np.array([0.1, 7.0, 1.0])
    found = fitted((scores * scale + 3.0)[:, order], target)
    assert found.weights == pytest.approx((expected.weights / scale)[order], rel=1e-3)
    np.testing.assert_allclose(
        found.uncapped_llr((scores * scale + 3.0)[:, order]), expected.uncapped_llr(scores), atol=2e-3
    )


def test_one_system_is_calibrated() -> None:
    scores, target = gaussian([1.5], [[1.0]], num=2000)
    fusion, calibration = fitted(scores, target), Calibration(p_target=P_TARGET, l2=1e-4, measures=[])
    calibration.fit(scores[:, 0], np.zeros((2000, 0)), target)
    assert (
        fusion.cap(fusion.uncapped_llr(scores)).tolist() == calibration.llr(scores[:, 0], np.zeros((2000, 0))).tolist()
    )
    assert fusion.facts() == calibration.facts()


def test_a_system_given_twice_counts_once() -> None:
    scores, target = gaussian([1.0, 1.5], [[1.0, 0.0], [0.0, 1.0]], num=4000)
    once, twice = fitted(scores, target), fitted(scores[:, [0, 1, 1]], target)
    assert twice.weights[1:].sum() == pytest.approx(once.weights[1], rel=0.01)


def test_systems_that_make_no_error_have_finite_weights_and_capped_ratios() -> None:
    scores, target = gaussian([40.0, 50.0], [[1.0, 0.0], [0.0, 1.0]], num=200)
    fusion = fitted(scores, target)
    assert np.all(np.isfinite(fusion.weights))
    llr = fusion.cap(fusion.uncapped_llr(scores))
    assert np.abs(llr).max() <= np.log(101) + 1e-6  # 100 independent trials of each kind bear out no more
    assert llr[target].min() > 0.0 > llr[~target].max()


def test_systems_that_know_nothing_are_not_fused() -> None:
    scores, target = gaussian([0.5, 0.7], [[1.0, 0.0], [0.0, 1.0]], num=2000)
    with pytest.raises(ScoresDoNotRise, match="expected more than 0"):
        fitted(-scores, target)
