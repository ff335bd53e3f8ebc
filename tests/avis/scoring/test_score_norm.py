"""Toy values of the survey: score .6, two cohorts of five scores, the three highest count."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from avis.scoring.adaptation import AdaptedPlda
from avis.scoring.as_norm import AsNorm, AsNorm2
from avis.scoring.chain import Chain
from avis.scoring.cosine import Cosine
from avis.scoring.lda import Lda
from avis.scoring.length_norm import LengthNorm
from avis.scoring.plda import Plda
from avis.scoring.score_norm import ScoreNorm, SNorm, TNorm, ZNorm
from avis.scoring.wccn import Wccn
from avis.scoring.whitening import Whitening

ENROLL, TEST = [0.3, 0.1, 0.2, 0.0, -0.1], [0.4, 0.2, 0.0, 0.1, -0.2]
NORMS = [
    ZNorm(backend=Cosine(center=True), cohort="speakers"),
    TNorm(backend=Cosine(center=True), cohort="utterances"),
    SNorm(backend=Plda(num_iterations=2), cohort="utterances"),
    AsNorm(backend=Cosine(center=True), cohort="utterances", top_n=4),
    AsNorm2(backend=Cosine(center=True), cohort="speakers", top_n=4),
]
BACKENDS: dict[str, Callable] = {
    "cosine": partial(Cosine, center=True),
    "cosine_plain": partial(Cosine, center=False),
    "wccn": partial(Wccn, shrinkage=0.1),
    "lda": partial(Lda, dim=5, shrinkage=0.1),
    "whitening": partial(Whitening, shrinkage=0.1),
    "plda": partial(Plda, num_iterations=3),
    "adapted_plda": partial(AdaptedPlda, num_iterations=3, method="coral_plus", between_scale=0.5, within_scale=0.5),
    "lda_plda": lambda: Chain(steps=[Lda(dim=5, shrinkage=0.1), Whitening(shrinkage=0.1), Plda(num_iterations=3)]),
    "units_lda": lambda: Chain(steps=[LengthNorm(), Lda(dim=5, shrinkage=0.1)]),
}


def toy(norm: ScoreNorm) -> float:
    norm._cohort = np.zeros((5, 1), np.float32)
    enroll, test = (norm.statistics(np.array([side], np.float32)).astype(np.float32) for side in (ENROLL, TEST))
    return float(norm.normalize(np.array([0.6]), enroll, test)[0])


def test_toy_values_of_the_adaptive_norms() -> None:
    """Population deviation (ddof 0), as wespeaker; with ddof 1, as SpeechBrain has it, it would be 3.200198."""
    assert toy(AsNorm(backend=Cosine(center=False), top_n=3)) == pytest.approx(3.919427, abs=1e-5)
    assert toy(AsNorm2(backend=Cosine(center=False), top_n=3)) == pytest.approx(3.095574, abs=1e-5)


def test_toy_values_of_the_whole_cohort() -> None:
    z, t = ((0.6 - np.mean(side)) / np.std(side) for side in (ENROLL, TEST))
    kwargs = {"backend": Cosine(center=False), "cohort": "speakers"}
    assert toy(ZNorm(**kwargs)) == pytest.approx(z, rel=1e-6)
    assert toy(TNorm(**kwargs)) == pytest.approx(t, rel=1e-6)
    assert toy(SNorm(**kwargs)) == pytest.approx((z + t) / 2, rel=1e-6)
    assert toy(AsNorm(**kwargs, top_n=9)) == pytest.approx((z + t) / 2, rel=1e-6)


def test_with_the_cohort_held_it_is_a_slope_and_a_shift() -> None:
    """By hand: the three highest of each side, and for the second norm those at the places of the other side's."""
    of_each = {AsNorm: ([0.3, 0.2, 0.1], [0.4, 0.2, 0.1]), AsNorm2: ([0.3, 0.1, 0.0], [0.4, 0.2, 0.0])}
    for kind, sides in of_each.items():
        norm = kind(backend=Cosine(center=False), top_n=3)
        norm._cohort = np.zeros((5, 1), np.float32)
        enroll, test = (norm.statistics(np.array([side])) for side in (ENROLL, TEST))
        slope, shift = norm.held_normalization(enroll, test)
        assert (slope.dtype, shift.dtype, slope.shape) == (np.float64, np.float64, (1,))
        assert slope[0] == pytest.approx(np.mean([1 / np.std(side) for side in sides]), abs=1e-10)
        assert shift[0] == pytest.approx(-np.mean([np.mean(side) / np.std(side) for side in sides]), abs=1e-10)


@pytest.mark.parametrize("norm", NORMS, ids=lambda norm: type(norm).__name__)
def test_raw_scores_are_forms_of_the_back_ends_own_columns(norm: ScoreNorm) -> None:
    norm.fit(*voices(0))
    enroll, test = voices(1)[0][:9], voices(1)[0][20:29]
    raw = norm.raw_score(norm.transform(enroll), norm.transform(test))
    cross, own, constant = norm.form()
    for one, other, score in zip(enroll, test, raw, strict=True):
        a, b = (side @ matrix + offset for side in (one, other) for matrix, offset in [norm.affine_at(side)])
        assert np.sum(cross * a * b) + np.sum(own * (a * a + b * b)) + constant == pytest.approx(score, abs=1e-5)


def voices(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    speakers = np.repeat(np.arange(12), 5)
    return rng.normal(size=(12, 8))[speakers] + 0.5 * rng.normal(size=(60, 8)), speakers


@pytest.mark.parametrize("norm", NORMS, ids=lambda norm: type(norm).__name__)
def test_equals_a_loop_over_trials_and_cohort(norm: ScoreNorm) -> None:
    train, speakers = voices(0)
    norm.fit(train, speakers)
    vectors, plain = norm.transform(voices(1)[0]), norm.backend.transform(voices(1)[0])
    means = np.stack([train[speakers == s].mean(axis=0) for s in range(12)])
    cohort = norm.backend.transform(means if norm.cohort == "speakers" else train)
    for e, t in ((0, 1), (0, 7), (20, 3)):
        against = [np.array([norm.backend.score(plain[i : i + 1], c[None])[0] for c in cohort]) for i in (e, t)]
        order = [np.argsort(scores)[-(norm.top_n or len(scores)) :] for scores in against]
        if isinstance(norm, AsNorm2):
            order = order[::-1]
        raw = norm.backend.score(plain[e : e + 1], plain[t : t + 1])[0]
        by_utterance = dict(zip(("enroll", "test"), zip(against, order, strict=True), strict=True))
        expected = np.mean([standard(raw, *by_utterance[s]) for s in norm.statistics_of])
        got = norm.score(vectors[e : e + 1], vectors[t : t + 1])[0]
        assert got == pytest.approx(expected, rel=1e-3)
        assert norm.raw_score(vectors[e : e + 1], vectors[t : t + 1])[0] == pytest.approx(raw, rel=1e-5)


@pytest.mark.parametrize("cohort", ["speakers", "utterances"])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("norm", [ZNorm, TNorm, SNorm, partial(AsNorm, top_n=4), partial(AsNorm2, top_n=4)])
def test_scores_do_not_depend_on_the_scale_of_embeddings(norm: Callable, backend: str, cohort: str) -> None:
    """The cohort must be centred and scaled as everything else is: of other size it would collapse onto the mean."""
    scores = []
    for scale in (1.0, 10.0):
        normed = norm(backend=BACKENDS[backend](), cohort=cohort)
        train, speakers = voices(0)
        normed.fit(scale * (train + 0.5), speakers)
        if normed.adaptable:
            normed.adapt(scale * voices(2)[0])
        vectors = normed.transform(scale * (voices(1)[0] + 0.5))
        scores.append(normed.score(vectors[:30], vectors[30:]))
    np.testing.assert_allclose(scores[1], scores[0], rtol=1e-5, atol=1e-5)


def test_a_cohort_of_other_speakers_scores_about_zero() -> None:
    """Speakers drawn alike have centred cosines around 0, of standard deviation 1 / sqrt(dim)."""
    rng = np.random.default_rng(0)
    speakers = np.repeat(np.arange(200), 4)
    train = 5.0 + rng.normal(size=(200, 64))[speakers] + 0.3 * rng.normal(size=(800, 64))
    norm = SNorm(backend=Cosine(center=True), cohort="speakers")
    norm.fit(train, speakers)
    statistics = norm.transform(5.0 + rng.normal(size=(50, 64)))[:, -2:]
    np.testing.assert_allclose(statistics[:, 0], 0.0, atol=0.03)
    np.testing.assert_allclose(statistics[:, 1], 1 / 8, rtol=0.2)


def test_the_cohort_is_described() -> None:
    described = []
    for top_n in (4, 300):
        norm = AsNorm(backend=Cosine(center=True), top_n=top_n)
        norm.fit(*voices(0))
        described.append(norm.describe_cohort())
    assert described == [
        "12 training speakers, the nearest 4 of which count",
        "12 training speakers, all of which count",
    ]


@pytest.mark.parametrize(
    ("num_speakers", "top_n", "words"),
    [
        (12, 4, []),
        (12, None, []),
        (12, 12, ["not adaptive: all 12 training speakers"]),
        (9, 4, ["a cohort of 9 training speakers"]),
        (9, 300, ["a cohort of 9", "not adaptive: all 9"]),
    ],
)
def test_a_small_cohort_is_warned_of(num_speakers: int, top_n: int | None, words: list[str]) -> None:
    backend = Cosine(center=True)
    norm = SNorm(backend=backend, cohort="speakers") if top_n is None else AsNorm(backend=backend, top_n=top_n)
    embeddings, speakers = voices(0)
    norm.fit(embeddings[speakers < num_speakers], speakers[speakers < num_speakers])
    for caution, said in zip(norm.cohort_cautions(), words, strict=True):
        assert said in caution


def test_a_cohort_of_one_is_refused() -> None:
    embeddings, speakers = voices(0)
    norm = AsNorm(backend=Cosine(center=True), top_n=4, cohort="utterances")
    with pytest.raises(ValueError, match="got a cohort of 1 training utterances, expected at least 2"):
        norm.fit(embeddings[:1], speakers[:1])


def standard(raw: float, scores: np.ndarray, counted: np.ndarray) -> float:
    return (raw - scores[counted].mean()) / scores[counted].std()


@pytest.mark.parametrize("norm", NORMS, ids=lambda norm: type(norm).__name__)
def test_state_survives_and_the_cohort_mean_is_that_of_the_highest_scores(norm: ScoreNorm) -> None:
    norm.fit(*voices(0))
    vectors = norm.transform(voices(1)[0])
    mean = norm.cohort_mean(vectors)
    scores = np.sort(norm.backend.score_matrix(norm.backend.transform(voices(1)[0]), norm.state()["cohort"]), axis=1)
    np.testing.assert_allclose(mean, scores[:, -(norm.top_n or 0) :].mean(axis=1), rtol=1e-4, atol=1e-5)
    state = norm.state()
    norm.restore(state)
    np.testing.assert_array_equal(norm.transform(voices(1)[0]), vectors)


def test_memory_is_bounded_without_a_change() -> None:
    norm = AsNorm(backend=Cosine(center=True), cohort="utterances", top_n=4)
    norm.fit(*voices(0))
    whole = norm.transform(voices(1)[0])
    norm.cohort_scores_at_once = 7 * 60
    np.testing.assert_allclose(norm.transform(voices(1)[0]), whole, atol=1e-6)
