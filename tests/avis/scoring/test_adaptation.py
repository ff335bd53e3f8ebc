import numpy as np
import pytest
from scipy.linalg import sqrtm

from avis.metrics.eer import equal_error_rate
from avis.scoring.adaptation import AdaptedPlda, coral_plus, share_excess
from avis.scoring.chain import Chain
from avis.scoring.cosine import Cosine
from avis.scoring.length_norm import LengthNorm
from avis.scoring.plda import Plda, TwoCovariance
from avis.scoring.score_norm import SNorm

DIM = 4


def covariance(seed: int) -> np.ndarray:
    root = np.random.default_rng(seed).normal(size=(DIM, DIM))
    return root @ root.T + 0.5 * np.eye(DIM)


MODEL = TwoCovariance(np.zeros(DIM), covariance(0), covariance(1))


def adapted(method: str, between: float = 0.5, within: float = 0.5) -> AdaptedPlda:
    return AdaptedPlda(num_iterations=5, method=method, between_scale=between, within_scale=within)


def test_coral_plus_step_by_step_as_published() -> None:
    total = covariance(2)
    alignment = sqrtm(total) @ np.linalg.inv(sqrtm(MODEL.between + MODEL.within))
    found = coral_plus(MODEL, total, between_scale=0.3, within_scale=0.8)
    for old, new, scale in ((MODEL.between, found.between, 0.3), (MODEL.within, found.within, 0.8)):
        chol = np.linalg.cholesky(old)
        variances, turns = np.linalg.eigh(np.linalg.inv(chol) @ alignment @ old @ alignment.T @ np.linalg.inv(chol).T)
        expected = old + scale * chol @ turns @ np.diag(np.maximum(0, variances - 1)) @ turns.T @ chol.T
        np.testing.assert_allclose(new, expected, atol=1e-8)


def test_a_wider_domain_by_hand() -> None:
    """Four times the total covariance: aligned models are four times the old, so the excess is three times the old."""
    total = 4 * (MODEL.between + MODEL.within)
    coral = coral_plus(MODEL, total, between_scale=1.0, within_scale=0.5)
    np.testing.assert_allclose(coral.between, 4 * MODEL.between, rtol=1e-8)
    np.testing.assert_allclose(coral.within, 2.5 * MODEL.within, rtol=1e-8)
    kaldi = share_excess(MODEL, total, between_scale=0.25, within_scale=0.75)
    np.testing.assert_allclose(kaldi.between + kaldi.within, total, rtol=1e-8)


@pytest.mark.parametrize("adapt", [coral_plus, share_excess])
def test_a_domain_without_excess_changes_nothing(adapt) -> None:
    for total in (MODEL.between + MODEL.within, 0.5 * (MODEL.between + MODEL.within)):
        found = adapt(MODEL, total, between_scale=1.0, within_scale=1.0)
        np.testing.assert_allclose(found.between, MODEL.between, atol=1e-8)
        np.testing.assert_allclose(found.within, MODEL.within, atol=1e-8)


def recordings(seed: int, channel: np.ndarray, shift: float, num: int) -> tuple[np.ndarray, np.ndarray]:
    """A domain has its own mean, and its own directions in which sessions differ."""
    rng = np.random.default_rng(seed)
    speakers = np.repeat(np.arange(num), 8)
    return 5 * rng.normal(size=(num, 10))[speakers] + rng.normal(size=(num * 8, 10)) * channel + shift, speakers


@pytest.mark.parametrize("method", ["coral_plus", "excess_variance"])
def test_adaptation_helps_in_another_domain(method: str) -> None:
    old, new = np.array([5.0] * 3 + [0.5] * 7), np.array([0.5] * 6 + [15.0] * 4)
    train = recordings(0, old, 0.0, 100)
    unlabelled, _ = recordings(1, new, 4.0, 100)
    vectors, speakers = recordings(2, new, 4.0, 30)
    first, second = np.triu_indices(len(vectors), k=1)
    rates = []
    for adapt in (False, True):
        backend = adapted(method, between=0.25, within=0.75)
        backend.fit(*train)
        if adapt:
            backend.adapt(unlabelled)
        made = backend.transform(vectors)
        rates.append(equal_error_rate(backend.score(made[first], made[second]), speakers[first] == speakers[second])[0])
    assert rates[1] < 0.9 * rates[0]


def test_the_trained_model_is_recovered_from_its_projection() -> None:
    train, speakers = recordings(0, np.ones(10), 0.0, 40)
    plain, moved = Plda(num_iterations=5), adapted("coral_plus", 0.0, 0.0)
    plain.fit(train, speakers)
    moved.fit(train, speakers)
    moved.adapt(train)
    rows = slice(0, 60), slice(60, 120)
    scores = [b.score(*(b.transform(train[r]) for r in rows)) for b in (plain, moved)]
    np.testing.assert_allclose(scores[1], scores[0], atol=0.2)


def test_chain_and_norm_hand_the_domain_on() -> None:
    train, speakers = recordings(0, np.ones(10), 0.0, 20)
    chain = Chain(steps=[LengthNorm(), adapted("coral_plus")])
    norm = SNorm(backend=chain, cohort="speakers")
    assert norm.adaptable is norm
    assert SNorm(backend=Cosine(center=True), cohort="speakers").adaptable is None
    norm.fit(train, speakers)
    cohort = norm.state()["cohort"]
    norm.adapt(recordings(1, 3 * np.ones(10), 2.0, 20)[0])
    assert not np.allclose(norm.state()["cohort"], cohort)


def test_scales_and_too_few_utterances_are_refused() -> None:
    with pytest.raises(ValueError, match=r"between_scale=1\.5"):
        adapted("coral_plus", between=1.5)
    backend = adapted("coral_plus")
    backend.fit(*recordings(0, np.ones(10), 0.0, 5))
    with pytest.raises(ValueError, match="got 1 embeddings to adapt to"):
        backend.adapt(np.ones((1, 10)))
