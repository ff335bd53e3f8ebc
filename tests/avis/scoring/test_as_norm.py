import numpy as np
import pytest

from avis.scoring.as_norm import AsNorm, top_statistics
from avis.scoring.cosine import Cosine
from avis.scoring.plda import Plda
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


@pytest.mark.parametrize("backend", [Cosine(center=True), Wccn(shrinkage=0.1), Plda(num_iterations=3)])
def test_equals_a_loop_over_trials_and_cohort(backend: object) -> None:
    train, speakers = voices(0)
    normed = AsNorm(backend=backend, top_n=4)
    normed.fit(train, speakers)
    vectors, plain = normed.transform(voices(1)[0]), backend.transform(voices(1)[0])
    units = train / np.linalg.norm(train, axis=1, keepdims=True)
    cohort = backend.transform(np.stack([units[speakers == s].mean(axis=0) for s in range(12)]))
    for e, t in ((0, 1), (0, 7), (20, 3)):
        sides = []
        for side in (e, t):
            top = sorted(float(backend.score(plain[side : side + 1], c[None])[0]) for c in cohort)[-4:]
            raw = float(backend.score(plain[e : e + 1], plain[t : t + 1])[0])
            sides.append((raw - np.mean(top)) / np.std(top))
        assert normed.score(vectors[e : e + 1], vectors[t : t + 1])[0] == pytest.approx(np.mean(sides), rel=1e-3)


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
