"""Z-, T- and S-norm: put a trial's score in relation to its utterances' scores against many other speakers."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avis.scoring.additive import Affine, QuadraticForm
from avis.scoring.backend import AdaptableBackend, Backend, NormalizedBackend
from avis.scoring.length_norm import check_embeddings
from avis.scoring.scatter import speaker_scatter

MIN_DEVIATION = 1e-6
SMALL_COHORT = 10
"""Of fewer scores a deviation is off by a quarter and more (its standard error is 1 / sqrt(2 n))."""


class ScoreNorm(Backend):
    """What score normalisations have in common: a back-end, a cohort of the training speakers, and statistics.

    An utterance's statistics are computed once, in `transform`, which appends them to its vector. The cohort is made of
    what the back-end is fitted on, so that no speaker of a trial may be among the training speakers.

    Parameters
    ----------
    backend : Backend
        Makes the scores that are normalised.
    cohort : {"speakers", "utterances"}
        ``speakers``: each training speaker's mean embedding, which the back-end centres and scales as it does an
        utterance's; ``utterances``: each training utterance.
    """

    statistics_of: ClassVar[tuple[str, ...]] = ("enroll", "test")
    """The utterances of a trial by whose statistics its score is normalised."""
    top_n: int | None = None
    """How many of the highest cohort scores count; None for all."""
    cohort_scores_at_once: int = 16_000_000
    """How many cohort scores are held in memory: 64 MB."""

    def __init__(self, *, backend: Backend, cohort: Literal["speakers", "utterances"]) -> None:
        self.backend, self.cohort = backend, cohort
        self._members: NDArray[np.floating] | None = None
        self._cohort: NDArray[np.float32] | None = None

    @property
    def adaptable(self) -> AdaptableBackend | None:
        """The normalisation itself if its back-end is adaptable, else None."""
        return self if self.backend.adaptable else None

    @property
    def normalized(self) -> NormalizedBackend:
        """The normalisation itself."""
        return self

    def fit(self, embeddings: NDArray[np.floating], speakers: NDArray) -> None:
        """Fit the back-end and keep the cohort, from embeddings ``[utterances, dim]`` and speakers ``[utterances]``."""
        self.backend.fit(embeddings, speakers)
        self._members = check_embeddings(embeddings)
        if self.cohort == "speakers":
            self._members = speaker_scatter(self._members, speakers).means
        if len(self._members) < 2:
            raise ValueError(
                f"A deviation needs two scores: got a cohort of {len(self._members)} training {self.cohort}, expected "
                "at least 2. At scoring. Add training speakers, or choose scoring=cosine."
            )
        self._cohort = self.backend.transform(self._members)

    def adapt(self, embeddings: NDArray[np.floating]) -> None:
        """Adapt the back-end to unlabelled embeddings ``[utterances, dim]``; the cohort keeps its members."""
        assert self._members is not None, "fit the back-end before it adapts"
        assert self.backend.adaptable, "the back-end of the normalisation does not adapt"
        self.backend.adaptable.adapt(embeddings)
        self._cohort = self.backend.transform(self._members)

    def transform(self, embeddings: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the back-end's vectors with their cohort statistics behind, float32 ``[utterances, dim + 2]``."""
        assert self._cohort is not None, "fit or restore the back-end before it transforms"
        vectors = self.backend.transform(embeddings)
        rows = max(1, self.cohort_scores_at_once // len(self._cohort))
        blocks = [vectors[start : start + rows] for start in range(0, len(vectors), rows)]
        statistics = [self.statistics(self.backend.score_matrix(block, self._cohort)) for block in blocks]
        return np.hstack([vectors, np.concatenate(statistics)]).astype(np.float32)

    def affine_at(self, embedding: NDArray[np.floating]) -> Affine:
        """Return the back-end's map, without the cohort statistics; see `avis.scoring.backend.Backend.affine_at`."""
        return self.backend.affine_at(embedding)

    def form(self) -> QuadraticForm:
        """Return the form of the back-end, whose value is the raw score."""
        return self.backend.form()

    def statistics(self, scores: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return what to keep of each utterance's cohort scores ``[utterances, cohort]``: mean and deviation."""
        return np.stack(top_statistics(scores, self.top_n), axis=1)

    def score(self, enroll: NDArray[np.float32], test: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score rows of `transform` pair by pair, float32 ``[trials]``."""
        return self.normalize(self.raw_score(enroll, test), enroll, test)

    def raw_score(self, enroll: NDArray[np.float32], test: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the back-end's own scores of rows of `transform`, float32 ``[trials]``."""
        return self.backend.score(enroll[:, : -self._num_statistics], test[:, : -self._num_statistics])

    @property
    def _num_statistics(self) -> int:
        """Columns that `statistics` returns."""
        return 2

    def normalize(
        self, scores: NDArray[np.floating], enroll: NDArray[np.float32], test: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return the mean of a score's standard scores by each side's statistics, float32 ``[trials]``."""
        slope, shift = self.held_normalization(enroll, test)
        return (slope * scores + shift).astype(np.float32)

    def held_normalization(
        self, enroll: NDArray[np.float32], test: NDArray[np.float32]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return slope and shift by each of ``statistics_of``, float64 ``[trials]`` each."""
        rows = {"enroll": enroll, "test": test}
        return mean_of_standard([(rows[name][:, -2], rows[name][:, -1]) for name in self.statistics_of])

    def cohort_mean(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the mean of the cohort scores that count, for rows of `transform`: float32 ``[utterances]``."""
        return vectors[:, -2]

    def describe_cohort(self) -> str:
        """Return how large the cohort is and how much of it counts, in words."""
        assert self._cohort is not None, "fit or restore the back-end before its cohort is described"
        size = f"{len(self._cohort):,} training {self.cohort}"
        if self.top_n is None:
            return size
        return f"{size}, {'all' if self.top_n >= len(self._cohort) else f'the nearest {self.top_n:,}'} of which count"

    def cohort_cautions(self) -> list[str]:
        """Return what the size of the cohort says against the normalised scores, in sentences."""
        assert self._cohort is not None, "fit or restore the back-end before its cohort is judged"
        size = len(self._cohort)
        cautions = []
        if size < SMALL_COHORT:
            cautions.append(
                f"Score normalisation by a cohort of {size} training {self.cohort}: means and deviations of fewer than "
                f"{SMALL_COHORT} are rough. Add training speakers, or set scoring.backend.cohort=utterances."
            )
        if self.top_n is not None and self.top_n >= size:
            cautions.append(
                f"Score normalisation is not adaptive: all {size} training {self.cohort} of the cohort count for "
                f"everybody, since there are no more than scoring.backend.top_n={self.top_n}. Lower it."
            )
        return cautions

    def state(self) -> dict[str, NDArray]:
        """Return what `fit` learnt, as arrays to keep."""
        assert self._cohort is not None, "fit the back-end before its state is kept"
        return {"cohort": self._cohort} | {f"backend.{key}": value for key, value in self.backend.state().items()}

    def restore(self, state: dict[str, NDArray]) -> None:
        """Take back what `state` returned."""
        assert "cohort" in state, f"state of another back-end: {sorted(state)}"
        self._cohort = state["cohort"]
        self.backend.restore({key.removeprefix("backend."): value for key, value in state.items() if key != "cohort"})


class ZNorm(ScoreNorm):
    """Normalise by the enrolment's scores against the cohort.

    References
    ----------
    Auckenthaler, Carey and Lloyd-Thomas, "Score Normalization for Text-Independent Speaker Verification Systems",
    Digital Signal Processing, 2000 (Z- and T-norm).
    """

    statistics_of = ("enroll",)


class TNorm(ScoreNorm):
    """Normalise by the test utterance's scores against the cohort; see `ZNorm`."""

    statistics_of = ("test",)


class SNorm(ScoreNorm):
    """Take the mean of Z- and T-norm.

    References
    ----------
    Kenny, "Bayesian Speaker Verification with Heavy-Tailed Priors", Odyssey 2010 (symmetric normalisation).
    """


def mean_of_standard(
    statistics: Sequence[tuple[NDArray[np.floating], NDArray[np.floating]]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return slope and shift that make of a score the mean of its standard scores.

    Parameters
    ----------
    statistics : sequence of (float [trials], float [trials])
        Mean and deviation of the scores that each side is compared by.

    Examples
    --------
    >>> slope, shift = mean_of_standard([(np.array([1.0]), np.array([2.0])), (np.array([3.0]), np.array([4.0]))])
    >>> (slope * 5.0 + shift).tolist() == [((5 - 1) / 2 + (5 - 3) / 4) / 2]
    True
    """
    slopes = [1.0 / np.asarray(deviation, np.float64) for _, deviation in statistics]
    shifts = [-slope * mean for slope, (mean, _) in zip(slopes, statistics, strict=True)]
    return np.mean(slopes, axis=0), np.mean(shifts, axis=0)


def top_statistics(
    scores: NDArray[np.floating], top_n: int | None
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return mean and population standard deviation of each row's ``top_n`` highest scores.

    Parameters
    ----------
    scores : float [utterances, cohort]
        Scores of each utterance against the cohort.
    top_n : int or None
        How many of the highest scores count; all if None, or if there are fewer.

    Examples
    --------
    >>> top_statistics(np.array([[0.0, 4.0, 2.0]]), 2)
    (array([3.]), array([1.]))
    """
    if top_n is not None and top_n < scores.shape[1]:
        scores = np.partition(scores, -top_n, axis=1)[:, -top_n:]
    top = np.asarray(scores, dtype=np.float64)
    return top.mean(axis=1), np.maximum(top.std(axis=1), MIN_DEVIATION)
