"""What holds for every back-end of ``configs/scoring``."""

import functools
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from avis.checkpoints.components import build
from avis.scoring.backend import Backend, scores_of
from avis.scoring.calibration import Calibration, Measure, quality_features, quality_measures
from tests.compositions import CONFIGS, composed

CHOICES = sorted(path.stem for path in (CONFIGS / "scoring").glob("*.yaml"))


def settings(name: str) -> dict[str, Any]:
    """Return the group ``scoring`` of a choice."""
    return OmegaConf.to_container(composed(None, f"+scoring={name}").scoring)  # type: ignore[return-value]


def backend(name: str) -> Backend:
    built: Backend = build(settings(name)["backend"])
    return built


def voices(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """More speakers and values than `lda` has directions."""
    rng = np.random.default_rng(seed)
    speakers = np.repeat(np.arange(50), 3)
    return 1.0 + rng.normal(size=(50, 45))[speakers] + 0.5 * rng.normal(size=(150, 45)), speakers


@functools.cache
def fitted(name: str) -> Backend:
    """Return a back-end that knows voices, to be asked only."""
    made = backend(name)
    if made.needs_fit:
        made.fit(*voices(0))
    if made.adaptable is not None:
        made.adaptable.adapt(voices(1)[0])
    return made


@pytest.mark.parametrize("name", CHOICES)
def test_scores_of_pairs_are_those_of_the_matrix(name: str) -> None:
    made = fitted(name)
    vectors = made.transform(voices(2)[0][:12])
    matrix = made.score_matrix(vectors[:5], vectors[5:])
    assert (vectors.dtype, matrix.dtype, matrix.shape) == (np.float32, np.float32, (5, 7))
    one, other = np.divmod(np.arange(35), 7)
    scores = made.score(vectors[:5][one], vectors[5:][other])
    np.testing.assert_allclose(matrix.ravel(), scores, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", CHOICES)
def test_a_restored_back_end_scores_as_the_fitted_one(name: str) -> None:
    first, second = fitted(name), backend(name)
    assert bool(first.state()) == first.needs_fit
    second.restore(first.state())
    np.testing.assert_array_equal(second.transform(voices(2)[0]), first.transform(voices(2)[0]))


@pytest.mark.few(3)
@pytest.mark.parametrize("name", CHOICES)
def test_one_voice_scores_higher_than_two(name: str) -> None:
    made, (embeddings, speakers) = fitted(name), voices(2)
    vectors = made.transform(embeddings)
    scores, same = made.score_matrix(vectors[::3], vectors[1::3]), speakers[::3, None] == speakers[1::3]
    assert scores[same].mean() > scores[~same].mean() + scores[~same].std()


@pytest.mark.parametrize("name", CHOICES)
def test_what_is_optional_is_stated(name: str) -> None:
    made = backend(name)
    assert (made.adaptable is not None) == ("adapt_corpus" in settings(name))
    assert (made.normalized is not None) == name.endswith("_as_norm")
    assert made.needs_fit == (settings(name)["fit_utterances"] > 0)


@pytest.mark.parametrize("name", [name for name in CHOICES if name.endswith("_as_norm")])
def test_a_normalised_score_is_made_of_the_raw_one(name: str) -> None:
    norm = fitted(name).normalized
    assert norm is not None
    enroll, test = np.split(norm.transform(voices(2)[0][:12]), 2)
    np.testing.assert_array_equal(norm.normalize(norm.raw_score(enroll, test), enroll, test), norm.score(enroll, test))


@pytest.mark.parametrize("name", CHOICES)
def test_parts_of_an_embedding_have_shares_that_sum_to_its_vector(name: str) -> None:
    made = fitted(name)
    rng = np.random.default_rng(3)
    for embedding in voices(2)[0][:3]:
        parts = rng.normal(size=(7, embedding.size))
        parts[-1] += embedding - parts.sum(axis=0)
        matrix, offset = made.affine_at(embedding)
        assert (matrix.dtype, offset.dtype, matrix.shape) == (np.float64, np.float64, (embedding.size, offset.size))
        compared = made.transform(embedding[None])[0, : offset.size]
        np.testing.assert_allclose((parts @ matrix).sum(axis=0) + offset, compared, rtol=1e-5, atol=1e-5)
    for wrong, message in ((np.full(45, np.nan), "must be finite"), (np.ones((2, 45)), "Embeddings are a matrix")):
        with pytest.raises(ValueError, match=message):
            made.affine_at(wrong)


@pytest.mark.parametrize("name", CHOICES)
def test_a_score_is_a_sum_over_columns(name: str) -> None:
    made = fitted(name)
    cross, own, constant = made.form()
    enroll, test = voices(2)[0][:20], voices(2)[0][20:40]
    raw = made.normalized.raw_score if made.normalized else made.score
    scores = raw(made.transform(enroll), made.transform(test))
    for one, other, score in zip(enroll, test, scores, strict=True):
        a, b = (side @ matrix + offset for side in (one, other) for matrix, offset in [made.affine_at(side)])
        summed = np.sum(cross * a * b) + np.sum(own * (a * a + b * b)) + constant
        assert summed == pytest.approx(score, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("name", CHOICES)
def test_a_ratio_is_the_sum_of_what_each_part_of_an_embedding_says(name: str) -> None:
    """Parts of the test, what the enrolment alone adds, the cohort's shift, quality and offset, each by itself."""
    made, (embeddings, speakers) = fitted(name), voices(2)
    measures: list[Measure] = ["duration", "magnitude"]
    measures += ["cohort_mean"] if made.normalized else []
    rng = np.random.default_rng(4)
    enroll, test = (each.ravel() for each in np.meshgrid(np.arange(0, 150, 3), np.arange(1, 150, 3)))
    vectors, spoken_s = made.transform(embeddings), rng.uniform(2, 9, 150)
    quality = quality_measures(measures, made, embeddings=embeddings, vectors=vectors, speech_s=spoken_s)
    scores, features = scores_of(made, vectors[enroll], vectors[test]), quality_features(quality[enroll], quality[test])
    calibration = Calibration(p_target=0.05, l2=1e-2, measures=measures)
    calibration.fit(scores.get("score_norm", scores["score"]), features, speakers[enroll] == speakers[test])

    one, other = enroll[7:8], test[7:8]
    parts = rng.normal(size=(5, 45))
    parts[-1] += embeddings[other[0]] - parts.sum(axis=0)
    (matrix, offset), (of_one, start) = (made.affine_at(embeddings[at[0]]) for at in (other, one))
    a, b = embeddings[one[0]] @ of_one + start, embeddings[other[0]] @ matrix + offset
    cross, own, constant = made.form()
    said = [np.sum(cross * a * (part @ matrix)) for part in parts]
    said += [np.sum(cross * a * offset), np.sum(own * (a * a + b * b)), constant]
    slope, shift = np.ones(1), np.zeros(1)
    if made.normalized:
        slope, shift = made.normalized.held_normalization(vectors[one], vectors[other])
    terms = calibration.terms(np.zeros(1), features[7:8])
    summed = calibration.slope * (slope[0] * np.sum(said) + shift[0]) + np.sum([*terms.values()])
    exact = calibration.uncapped_llr(scores.get("score_norm", scores["score"])[7:8], features[7:8])[0]
    assert summed == pytest.approx(exact, abs=1e-4)
