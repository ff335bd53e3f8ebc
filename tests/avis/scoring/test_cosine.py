import pickle

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from avis.scoring.cosine import Cosine


def embeddings(num: int = 20, dim: int = 6) -> np.ndarray:
    return np.random.default_rng(0).normal(1.0, 1.0, (num, dim)).astype(np.float32)


@pytest.mark.parametrize("center", [False, True])
def test_equals_scikit_learn(center: bool) -> None:
    train, enroll, test = embeddings()[:10], embeddings()[10:15], embeddings()[15:]
    backend = Cosine(center=center)
    backend.fit(train, np.arange(10))
    mean = train.mean(axis=0) if center else 0.0
    scores = backend.score(backend.transform(enroll), backend.transform(test))
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, np.diag(cosine_similarity(enroll - mean, test - mean)), rtol=1e-5)


def test_vectors_have_length_one_whatever_the_scale() -> None:
    backend = Cosine(center=False)
    vectors = backend.transform(embeddings())
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, rtol=1e-6)
    for scale in (1e-300, 1e300):
        np.testing.assert_allclose(backend.transform(embeddings().astype(np.float64) * scale), vectors, rtol=1e-5)


def test_score_by_hand_and_symmetric() -> None:
    backend = Cosine(center=False)
    enroll = backend.transform(np.array([[3.0, 4.0], [1.0, 0.0]]))
    test = backend.transform(np.array([[4.0, 3.0], [-2.0, 0.0]]))
    np.testing.assert_allclose(backend.score(enroll, test), [0.96, -1.0], rtol=1e-6)
    np.testing.assert_array_equal(backend.score(enroll, test), backend.score(test, enroll))


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf])
def test_embedding_without_direction_is_named(bad: float) -> None:
    vectors = embeddings(4)
    vectors[2] = bad
    with pytest.raises(ValueError, match=r"At embedding row 2"):
        Cosine(center=False).transform(vectors)


def test_embedding_equal_to_the_mean_has_no_direction() -> None:
    backend = Cosine(center=True)
    backend.fit(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array(["a", "b"]))
    with pytest.raises(ValueError, match="after centering"):
        backend.transform(np.array([[2.0, 3.0]]))


def test_embeddings_of_another_model_are_refused() -> None:
    backend = Cosine(center=True)
    backend.fit(embeddings(5, 6), np.arange(5))
    with pytest.raises(ValueError, match=r"shape=\[4, 7\], expected \[utterances, 6\]"):
        backend.transform(embeddings(4, 7))
    with pytest.raises(ValueError, match=r"expected \[utterances, 6\]"):
        backend.transform(embeddings()[0])


@pytest.mark.parametrize("center", [False, True])
def test_state_restores_the_fitted_backend(center: bool) -> None:
    backend = Cosine(center=center)
    backend.fit(embeddings(), np.arange(20))
    other = pickle.loads(pickle.dumps(Cosine(center=center)))
    other.restore(backend.state())
    np.testing.assert_array_equal(other.transform(embeddings()), backend.transform(embeddings()))
