"""The interface of back-ends: what all of them do, and what only some can do."""

from abc import abstractmethod
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from avis.scoring.additive import Affine, QuadraticForm


class Stateful(Protocol):
    """What has learnt arrays that are kept from one run to the next, such as a back-end or a calibration."""

    def state(self) -> dict[str, NDArray]:
        """Return what was learnt, as arrays to keep."""

    def restore(self, state: dict[str, NDArray]) -> None:
        """Take back what `state` returned."""


class Fittable(Stateful, Protocol):
    """What learns from training speakers."""

    @property
    def needs_fit(self) -> bool:
        """Whether there is anything to learn from training speakers."""
        return True

    @abstractmethod
    def fit(self, embeddings: NDArray[np.floating], speakers: NDArray) -> None:
        """Learn from training speakers.

        Parameters
        ----------
        embeddings : float [utterances, dim]
            Raw embeddings, as the model made them.
        speakers : [utterances]
            Name or number of each utterance's speaker.

        Raises
        ------
        ValueError
            If an embedding is not finite, or there is too little to learn from.
        """


@runtime_checkable
class Step(Fittable, Protocol):
    """What maps embeddings to embeddings ahead of a back-end; see `avis.scoring.chain.Chain`."""

    @abstractmethod
    def project(self, embeddings: NDArray[np.floating]) -> NDArray[np.float64]:
        """Map embeddings ``[utterances, dim]`` to float64 ``[utterances, projected dim]``."""

    @abstractmethod
    def projection_at(self, embedding: NDArray[np.floating]) -> Affine:
        """Return `project` as an affine map: the one that it is while all lengths are those of an embedding ``[dim]``.

        So ``project(embedding) == embedding @ matrix + offset``. It raises what `project` does.
        """


@runtime_checkable
class Backend(Fittable, Protocol):
    """What scores pairs of embeddings.

    An embedding is transformed once, however many trials it stands in; trials compare the vectors. Back-ends inherit
    from this class, so that what is optional needs no word where it does not apply: then ``adaptable`` and
    ``normalized`` are None.
    """

    @property
    def adaptable(self) -> "AdaptableBackend | None":
        """The back-end itself if it must be adapted to the domain of the trials once it is fitted, else None."""
        return None

    @property
    def normalized(self) -> "NormalizedBackend | None":
        """The back-end itself if it normalises scores by those against a cohort, else None."""
        return None

    @abstractmethod
    def transform(self, embeddings: NDArray[np.floating]) -> NDArray[np.float32]:
        """Turn embeddings into the vectors that are compared.

        Parameters
        ----------
        embeddings : float [utterances, dim]
            Raw embeddings, as the model made them.

        Returns
        -------
        float32 [utterances, columns]
            Rows for `score` and `score_matrix`.

        Raises
        ------
        ValueError
            If an embedding is not finite, has no direction, or is of another size than those of the fit.
        """

    @abstractmethod
    def affine_at(self, embedding: NDArray[np.floating]) -> Affine:
        """Return `transform` as an affine map: the one that it is while all lengths are those of an embedding.

        So ``transform(embedding) == embedding @ matrix + offset``, and parts that sum to the embedding have shares that
        sum to its vector. Lengths depend on the whole embedding, so that a share is no answer to what would be without
        that part.

        Parameters
        ----------
        embedding : float [dim]
            Raw, as the model made it.

        Returns
        -------
        Affine
            Of the columns that are compared; those that a score normalisation appends are not among them.

        Raises
        ------
        ValueError
            As `transform`.
        """

    @abstractmethod
    def form(self) -> QuadraticForm:
        """Return the score as a quadratic form of two vectors: of a score normalisation, that of `raw_score`."""

    @abstractmethod
    def score(self, enroll: NDArray[np.float32], test: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score rows of `transform` ``[trials, columns]`` pair by pair: float32 ``[trials]``, higher for one voice."""

    def score_matrix(self, enroll: NDArray[np.float32], test: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score every row of ``enroll`` against every row of ``test``: float32 ``[enroll, test]``."""
        scores = self.score(np.repeat(enroll, len(test), axis=0), np.tile(test, (len(enroll), 1)))
        return scores.reshape(len(enroll), len(test))


class AdaptableBackend(Backend, Protocol):
    """A back-end that, once fitted, is moved to another domain."""

    @abstractmethod
    def adapt(self, embeddings: NDArray[np.floating]) -> None:
        """Adapt to the domain of embeddings ``[utterances, dim]`` whose speakers are unknown.

        Raises
        ------
        ValueError
            If an embedding is not finite or has no direction, or there are fewer than two.
        """


class NormalizedBackend(Backend, Protocol):
    """A back-end whose scores are put in relation to those of a cohort of other speakers."""

    @abstractmethod
    def raw_score(self, enroll: NDArray[np.float32], test: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score rows of `transform` pair by pair, not normalised: float32 ``[trials]``."""

    @abstractmethod
    def held_normalization(
        self, enroll: NDArray[np.float32], test: NDArray[np.float32]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return slope and shift of `normalize`, float64 ``[trials]`` each, for rows of `transform`.

        So ``normalize(scores, enroll, test) == slope * scores + shift``, as long as what the cohort scores against the
        two sides is held.
        """

    @abstractmethod
    def normalize(
        self, scores: NDArray[np.floating], enroll: NDArray[np.float32], test: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Normalise raw scores ``[trials]`` of rows of `transform`: float32 ``[trials]``."""

    @abstractmethod
    def cohort_mean(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the mean of the cohort scores that count, for rows of `transform`: float32 ``[utterances]``."""

    @abstractmethod
    def describe_cohort(self) -> str:
        """Return how large the cohort is and how much of it counts, in words."""

    @abstractmethod
    def cohort_cautions(self) -> list[str]:
        """Return what the size of the cohort says against the normalised scores, in sentences."""


def scores_of(
    backend: Backend, enroll: NDArray[np.float32], test: NDArray[np.float32]
) -> dict[str, NDArray[np.float32]]:
    """Return ``score`` and, with score normalisation, ``score_norm`` of rows of `transform` pair by pair."""
    if backend.normalized is None:
        return {"score": backend.score(enroll, test)}
    raw = backend.normalized.raw_score(enroll, test)
    return {"score": raw, "score_norm": backend.normalized.normalize(raw, enroll, test)}


def score_noise(backend: Backend, dim: int) -> NDArray[np.float32]:
    """Score made-up embeddings of a size: what fails there has learnt from embeddings of another."""
    vectors = backend.transform(np.random.default_rng(0).normal(size=(2, dim)).astype(np.float32))
    return backend.score(vectors[:1], vectors[1:])
