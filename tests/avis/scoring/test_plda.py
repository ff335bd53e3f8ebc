from pathlib import Path

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from avis.scoring.plda import Plda, fit_two_covariance

DIM = 3


def covariance(seed: int, scale: float) -> np.ndarray:
    root = np.random.default_rng(seed).normal(size=(DIM, DIM))
    return scale * (root @ root.T + np.eye(DIM))


def simulate(seed: int, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    speakers = np.repeat(np.arange(len(counts)), counts)
    voices = rng.multivariate_normal([1.0, -2.0, 0.5], covariance(10, 1.0), size=len(counts))
    return voices[speakers] + rng.multivariate_normal(np.zeros(DIM), covariance(11, 0.5), size=len(speakers)), speakers


def log_likelihood(vectors: np.ndarray, speakers: np.ndarray, model: tuple) -> float:
    """Joint density of each speaker's utterances, with the full covariance written out."""
    mean, between, within = model
    total = 0.0
    for speaker in np.unique(speakers):
        rows = vectors[speakers == speaker]
        count = len(rows)
        full = np.kron(np.ones((count, count)), between) + np.kron(np.eye(count), within)
        total += multivariate_normal(np.tile(mean, count), full).logpdf(rows.ravel())
    return total


def test_score_is_the_gaussian_log_likelihood_ratio() -> None:
    train, speakers = simulate(0, np.full(60, 5))
    backend = Plda(num_iterations=5)
    backend.fit(train, speakers)
    centered = train - train.mean(axis=0)
    units = centered / np.linalg.norm(centered, axis=1, keepdims=True)
    model = fit_two_covariance(units, speakers, num_iterations=5)
    enroll, test = slice(0, 100), slice(2, 102)
    scores = backend.score(backend.transform(train[enroll]), backend.transform(train[test]))
    total = model.between + model.within
    pairs = np.hstack([units[enroll], units[test]])
    mean = np.tile(model.mean, 2)
    same = multivariate_normal(mean, np.block([[total, model.between], [model.between, total]]))
    apart = multivariate_normal(mean, np.block([[total, np.zeros_like(total)], [np.zeros_like(total), total]]))
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, same.logpdf(pairs) - apart.logpdf(pairs), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("pair", "expected"),
    [((0, 0), 0.510826), ((2, 2), 2.288603), ((2, -2), -15.489174), ((0.5, 1.5), -0.044730)],
)
def test_one_direction_by_hand(pair: tuple[float, float], expected: float) -> None:
    backend = Plda(num_iterations=0)
    backend.restore(
        {"center": np.zeros(1), "mean": np.zeros(1), "projection": np.eye(1), "correlation": np.array([0.8])}
    )
    enroll, test = (np.array([[value]], dtype=np.float32) for value in pair)
    assert backend.score(enroll, test)[0] == pytest.approx(expected, abs=1e-5)
    assert backend.score(test, enroll)[0] == pytest.approx(expected, abs=1e-5)
    (u, v), (cross, own, constant) = pair, backend.form()
    assert cross[0] * u * v + own[0] * (u * u + v * v) + constant == pytest.approx(expected, abs=1e-6)
    by_formula = -0.5 * np.log(1 - 0.8**2) - (0.8**2 * (u**2 + v**2) - 2 * 0.8 * u * v) / (2 * (1 - 0.8**2))
    assert cross[0] * u * v + own[0] * (u * u + v * v) + constant == pytest.approx(by_formula, abs=1e-10)


def test_expectation_maximization_recovers_the_model() -> None:
    counts = np.random.default_rng(0).integers(2, 9, size=4000)
    vectors, speakers = simulate(1, counts)
    model = fit_two_covariance(vectors, speakers, num_iterations=20)
    np.testing.assert_allclose(model.mean, [1.0, -2.0, 0.5], atol=0.15)
    np.testing.assert_allclose(model.between, covariance(10, 1.0), atol=0.06 * np.trace(covariance(10, 1.0)))
    np.testing.assert_allclose(model.within, covariance(11, 0.5), atol=0.02 * np.trace(covariance(11, 0.5)))


def test_every_step_raises_the_likelihood() -> None:
    vectors, speakers = simulate(2, np.array([1, 1, 2, 3, 3, 5, 8, 4, 2, 1, 6]))
    likelihoods = [
        log_likelihood(vectors, speakers, fit_two_covariance(vectors, speakers, num_iterations=steps))
        for steps in range(8)
    ]
    assert (np.diff(likelihoods) > -1e-9).all()
    assert likelihoods[-1] > likelihoods[0] + 0.01


def test_single_direction_equals_analysis_of_variance() -> None:
    rng = np.random.default_rng(3)
    speakers = np.repeat(np.arange(50), 4)
    vectors = (rng.normal(size=50)[speakers] + 0.5 * rng.normal(size=200))[:, None]
    model = fit_two_covariance(vectors, speakers, num_iterations=200)
    groups = vectors.reshape(50, 4)
    within = groups.var(axis=1, ddof=1).mean()
    np.testing.assert_allclose(model.within[0, 0], within, rtol=1e-3)
    np.testing.assert_allclose(model.between[0, 0], groups.mean(axis=1).var() - within / 4, rtol=1e-3)
    np.testing.assert_allclose(model.mean[0], vectors.mean(), rtol=1e-3)


def test_fewer_utterances_than_values_still_fit() -> None:
    rng = np.random.default_rng(4)
    speakers = np.repeat(np.arange(4), 2)
    vectors = rng.normal(size=(4, 16))[speakers] + 0.1 * rng.normal(size=(8, 16))
    backend = Plda(num_iterations=10)
    backend.fit(vectors, speakers)
    units = backend.transform(vectors)
    assert backend.score(units[[0]], units[[1]])[0] > 0 > backend.score(units[[0]], units[[2]])[0]


def test_state_goes_through_a_file_without_pickle(tmp_path: Path) -> None:
    vectors, speakers = simulate(5, np.full(20, 3))
    backend = Plda(num_iterations=2)
    backend.fit(vectors, speakers)
    np.savez(tmp_path / "plda.npz", **backend.state())
    other = Plda(num_iterations=2)
    with np.load(tmp_path / "plda.npz", allow_pickle=False) as state:
        other.restore(dict(state))
    enroll, test = backend.transform(vectors[:30]), backend.transform(vectors[30:])
    np.testing.assert_array_equal(other.transform(vectors[:30]), enroll)
    np.testing.assert_array_equal(other.score(enroll, test), backend.score(enroll, test))


def test_data_that_cannot_be_modelled() -> None:
    vectors, speakers = simulate(6, np.full(5, 1))
    with pytest.raises(ValueError, match="expected at least 2 speakers, one of them with 2 utterances"):
        Plda(num_iterations=1).fit(vectors, speakers)
    with pytest.raises(ValueError, match="num_iterations=-1"):
        Plda(num_iterations=-1)
    vectors[3, 1] = np.nan
    with pytest.raises(ValueError, match="At embedding row 3"):
        Plda(num_iterations=1).fit(vectors, speakers)
