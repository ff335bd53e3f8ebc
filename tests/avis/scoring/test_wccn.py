import numpy as np
import pytest

from avis.metrics.eer import equal_error_rate
from avis.scoring.cosine import Cosine
from avis.scoring.wccn import Wccn


def sessions_louder_than_voices(seed: int, num_speakers: int) -> tuple[np.ndarray, np.ndarray]:
    """Ten utterances a speaker: voices differ in 4 of 12 values, sessions mostly in the other 8."""
    rng = np.random.default_rng(seed)
    voices = np.zeros((num_speakers, 12))
    voices[:, :4] = rng.normal(size=(num_speakers, 4))
    speakers = np.repeat(np.arange(num_speakers), 10)
    return voices[speakers] + rng.normal(size=(len(speakers), 12)) * np.array([0.3] * 4 + [3.0] * 8), speakers


@pytest.mark.parametrize("shrinkage", [0.0, 0.3])
def test_within_speaker_covariance_becomes_the_identity(shrinkage: float) -> None:
    vectors, speakers = sessions_louder_than_voices(0, 30)
    backend = Wccn(shrinkage=shrinkage)
    backend.fit(vectors, speakers)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    deviations = np.concatenate([units[speakers == s] - units[speakers == s].mean(axis=0) for s in range(30)])
    within = deviations.T @ deviations / len(units)
    shrunk = (1 - shrinkage) * within + shrinkage * np.trace(within) / 12 * np.eye(12)
    whitening = backend.state()["projection"].T
    np.testing.assert_allclose(whitening @ shrunk @ whitening.T, np.eye(12), atol=1e-9)


def test_full_shrinkage_is_the_centred_cosine() -> None:
    vectors, speakers = sessions_louder_than_voices(1, 8)
    backend, cosine = Wccn(shrinkage=1.0), Cosine(center=True)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    backend.fit(vectors, speakers)
    cosine.fit(units, speakers)
    np.testing.assert_allclose(backend.transform(vectors), cosine.transform(units), atol=1e-6)


def test_unseen_speakers_are_told_apart_better_than_by_cosine() -> None:
    vectors, speakers = sessions_louder_than_voices(3, 10)
    first, second = np.triu_indices(len(vectors), k=1)
    rates = []
    for backend in (Cosine(center=True), Wccn(shrinkage=0.0)):
        backend.fit(*sessions_louder_than_voices(2, 40))
        units = backend.transform(vectors)
        scores = backend.score(units[first], units[second])
        rates.append(equal_error_rate(scores, speakers[first] == speakers[second])[0])
    assert rates[1] < rates[0] - 0.1


def test_scale_of_an_embedding_does_not_matter_and_state_survives() -> None:
    vectors, speakers = sessions_louder_than_voices(4, 8)
    backend, other = Wccn(shrinkage=0.1), Wccn(shrinkage=0.1)
    backend.fit(vectors, speakers)
    other.restore(backend.state())
    np.testing.assert_allclose(other.transform(vectors * 7), backend.transform(vectors), atol=1e-6)


def test_singular_covariance_and_wrong_shrinkage_are_refused() -> None:
    with pytest.raises(ValueError, match="full rank"):
        Wccn(shrinkage=0.0).fit(np.random.default_rng(0).normal(size=(4, 12)), np.array([0, 0, 1, 1]))
    with pytest.raises(ValueError, match="Shrinkage is a weight"):
        Wccn(shrinkage=1.5)
