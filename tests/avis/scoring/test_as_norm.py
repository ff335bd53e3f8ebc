import numpy as np
import pytest

from avis.scoring.as_norm import AsNorm, top_statistics
from avis.scoring.cosine import Cosine
from avis.scoring.wccn import Wccn


def voices(seed: int, num_speakers: int = 12) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    speakers = np.repeat(np.arange(num_speakers), 5)
    return rng.normal(size=(num_speakers, 8))[speakers] + 0.5 * rng.normal(size=(len(speakers), 8)), speakers


def test_published_toy_value() -> None:
    """Score .6; the three highest of each side's cohort scores count; population deviation: 3.919427."""
    cohort = np.array([[0.3, 0.1, 0.2, 0.0, -0.1], [0.4, 0.2, 0.0, 0.1, -0.2]])
    mean, deviation = top_statistics(cohort, 3)
    assert np.mean((0.6 - mean) / deviation) == pytest.approx(3.919427, abs=1e-6)


def test_is_wespeakers_formula() -> None:
    """Cohort of speaker means; the training mean is taken from all, then cosines; the highest four on each side."""
    train, speakers = voices(0)
    train, tested = 3.0 * train + 2.0, 3.0 * voices(1)[0] + 2.0

    def units(vectors: np.ndarray) -> np.ndarray:
        centered = vectors - train.mean(axis=0)
        return centered / np.linalg.norm(centered, axis=1, keepdims=True)

    cohort = units(np.stack([train[speakers == speaker].mean(axis=0) for speaker in range(12)]))
    nearest = np.sort(units(tested) @ cohort.T, axis=1)[:, -4:]
    standard = (np.sum(units(tested)[:30] * units(tested)[30:], axis=1) - nearest.mean(axis=1).reshape(2, 30)) / (
        nearest.std(axis=1).reshape(2, 30)
    )
    normed = AsNorm(backend=Cosine(center=True), top_n=4)
    normed.fit(train, speakers)
    vectors = normed.transform(tested)
    np.testing.assert_allclose(normed.score(vectors[:30], vectors[30:]), standard.mean(axis=0), rtol=1e-4)


def test_enrolment_and_test_may_change_places() -> None:
    normed = AsNorm(backend=Wccn(shrinkage=0.1), top_n=4)
    normed.fit(*voices(0))
    vectors = normed.transform(voices(1)[0])
    np.testing.assert_allclose(normed.score(vectors[:5], vectors[5:10]), normed.score(vectors[5:10], vectors[:5]))


def test_state_survives() -> None:
    normed, other = (AsNorm(backend=Wccn(shrinkage=0.1), top_n=4) for _ in range(2))
    normed.fit(*voices(0))
    other.restore(normed.state())
    np.testing.assert_array_equal(other.transform(voices(1)[0]), normed.transform(voices(1)[0]))


def test_one_cohort_speaker_is_too_few() -> None:
    with pytest.raises(ValueError, match="top_n=1"):
        AsNorm(backend=Cosine(center=True), top_n=1)
