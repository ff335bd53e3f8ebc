from pathlib import Path

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics.pairwise import cosine_similarity

from avis.metrics.eer import equal_error_rate
from avis.scoring.cosine import Cosine
from avis.scoring.lda import Lda


def speakers_in_noise(seed: int, num_speakers: int = 30, per_speaker: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Speakers differ in the first 4 of 12 values; the other values vary more, but from session to session."""
    rng = np.random.default_rng(seed)
    voices = np.zeros((num_speakers, 12))
    voices[:, :4] = rng.normal(size=(num_speakers, 4))
    speakers = np.repeat(np.arange(num_speakers), per_speaker)
    sessions = rng.normal(size=(len(speakers), 12)) * np.array([0.3] * 4 + [3.0] * 8)
    return voices[speakers] + sessions + 5.0, speakers


def test_equals_scikit_learn_up_to_turns() -> None:
    vectors, speakers = speakers_in_noise(0)
    backend = Lda(dim=4, shrinkage=0.0)
    backend.fit(vectors, speakers)
    ours = backend.transform(vectors)
    reference = LinearDiscriminantAnalysis(solver="eigen", n_components=4).fit(vectors, speakers)
    projected = (vectors - vectors.mean(axis=0)) @ reference.scalings_[:, :4]
    np.testing.assert_allclose(ours @ ours.T, cosine_similarity(projected), atol=1e-4)


@pytest.mark.parametrize("shrinkage", [0.0, 0.3])
def test_within_speaker_covariance_becomes_the_identity(shrinkage: float) -> None:
    vectors, speakers = speakers_in_noise(1)
    backend = Lda(dim=12, shrinkage=shrinkage)
    backend.fit(vectors, speakers)
    projection = backend.state()["projection"]
    deviations = vectors - np.stack([vectors[speakers == s].mean(axis=0) for s in speakers])
    within = deviations.T @ deviations / len(vectors)
    shrunk = (1 - shrinkage) * within + shrinkage * np.trace(within) / 12 * np.eye(12)
    np.testing.assert_allclose(projection.T @ shrunk @ projection, np.eye(12), atol=1e-9)


def test_unseen_speakers_are_told_apart_better_than_by_cosine() -> None:
    train, train_speakers = speakers_in_noise(2)
    vectors, speakers = speakers_in_noise(3, num_speakers=10, per_speaker=6)
    first, second = np.triu_indices(len(vectors), k=1)
    rates = {}
    for backend in (Cosine(center=True), Lda(dim=4, shrinkage=0.0)):
        backend.fit(train, train_speakers)
        units = backend.transform(vectors)
        np.testing.assert_allclose(np.linalg.norm(units, axis=1), 1.0, rtol=1e-6)
        scores = backend.score(units[first], units[second])
        rates[type(backend)] = equal_error_rate(scores, speakers[first] == speakers[second])[0]
    assert rates[Lda] < 0.15
    assert rates[Cosine] > 0.35


def test_order_of_rows_and_names_of_speakers_do_not_matter() -> None:
    vectors, speakers = speakers_in_noise(4)
    one, other = Lda(dim=3, shrinkage=0.1), Lda(dim=3, shrinkage=0.1)
    order = np.random.default_rng(0).permutation(len(vectors))
    one.fit(vectors, speakers)
    other.fit(vectors[order], np.array([f"id{s}" for s in speakers])[order])
    left, right = one.transform(vectors), other.transform(vectors)
    np.testing.assert_allclose(left @ left.T, right @ right.T, atol=1e-5)


def test_state_goes_through_a_file_without_pickle(tmp_path: Path) -> None:
    vectors, speakers = speakers_in_noise(5)
    backend = Lda(dim=4, shrinkage=0.1)
    backend.fit(vectors, speakers)
    np.savez(tmp_path / "lda.npz", **backend.state())
    other = Lda(dim=4, shrinkage=0.1)
    with np.load(tmp_path / "lda.npz", allow_pickle=False) as state:
        other.restore(dict(state))
    np.testing.assert_array_equal(other.transform(vectors), backend.transform(vectors))


@pytest.mark.parametrize(
    ("dim", "rows", "message"),
    [
        (13, slice(None), r"got dim=13, expected at most 12 for 30 speakers"),
        (5, slice(50), r"got dim=5, expected at most 4 for 5 speakers"),
        (1, slice(10), r"got 1 speakers with at most 10"),
        (1, slice(None, None, 10), r"got 30 speakers with at most 1 "),
        (1, slice(8, 12), r"got rank=2 of 12, expected full rank"),
    ],
)
def test_data_that_cannot_carry_the_projection(dim: int, rows: slice, message: str) -> None:
    vectors, speakers = speakers_in_noise(6)
    with pytest.raises(ValueError, match=message):
        Lda(dim=dim, shrinkage=0.0).fit(vectors[rows], speakers[rows])


def test_few_utterances_need_shrinkage() -> None:
    vectors, speakers = speakers_in_noise(7)
    Lda(dim=1, shrinkage=0.1).fit(vectors[8:12], speakers[8:12])


def test_arguments_and_lengths_are_checked() -> None:
    vectors, speakers = speakers_in_noise(8)
    with pytest.raises(ValueError, match="speakers=299 and embeddings=300"):
        Lda(dim=1, shrinkage=0.0).fit(vectors, speakers[1:])
    for dim, shrinkage in [(0, 0.0), (1, -0.1), (1, 1.1)]:
        with pytest.raises(ValueError, match="expected dim >= 1"):
            Lda(dim=dim, shrinkage=shrinkage)
