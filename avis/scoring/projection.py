"""What linear back-ends have in common: project embeddings, put them on the unit sphere, score by the cosine."""

from abc import abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from avis.scoring.additive import Affine, QuadraticForm
from avis.scoring.backend import Backend, Step
from avis.scoring.length_norm import check_embeddings, length_normalize, lengths


class Projection(Step, Backend):
    """Subtract a mean, multiply by a matrix, then score by the cosine.

    Each child says what it learns. As a step of `avis.scoring.chain.Chain` it hands on what `project` returns; as a
    back-end it scores that, scaled to length 1.
    """

    learns: frozenset[str] = frozenset({"mean", "projection"})
    """Which of ``mean`` ``[dim]`` and ``projection`` ``[dim, projected dim]`` the state holds."""
    units_first: ClassVar[bool] = False
    """Whether embeddings are scaled to length 1 before anything else."""

    _state: dict[str, NDArray[np.float64]] | None = None

    @property
    def needs_fit(self) -> bool:
        """Whether there is anything to learn from training speakers."""
        return bool(self.learns)

    def fit(self, embeddings: NDArray[np.floating], speakers: NDArray) -> None:
        """Learn from training embeddings ``[utterances, dim]`` and their speakers ``[utterances]``.

        Raises
        ------
        ValueError
            If an embedding is not finite, or the data cannot carry the projection.
        """
        vectors = check_embeddings(embeddings)
        self._state = self._learn(length_normalize(vectors) if self.units_first else vectors, speakers)

    @abstractmethod
    def _learn(self, vectors: NDArray[np.float64], speakers: NDArray) -> dict[str, NDArray[np.float64]]:
        """Return what there is to know of embeddings ``[utterances, dim]``: the arrays that `learns` names."""

    def project(self, embeddings: NDArray[np.floating]) -> NDArray[np.float64]:
        """Subtract the mean and project, float64 ``[utterances, projected dim]``.

        Raises
        ------
        ValueError
            If an embedding is not finite or of another size than in training.
        """
        vectors, state = self._checked(embeddings), self._state or {}
        if self.units_first:
            vectors = length_normalize(vectors)
        if "mean" in state:
            vectors = vectors - state["mean"]
        return vectors @ state["projection"] if "projection" in state else vectors

    def _checked(self, embeddings: NDArray[np.floating]) -> NDArray[np.float64]:
        assert self._state is not None or not self.learns, "fit or restore the back-end before it transforms"
        mean = (self._state or {}).get("mean")
        return check_embeddings(embeddings, dim=None if mean is None else mean.size)

    def transform(self, embeddings: NDArray[np.floating]) -> NDArray[np.float32]:
        """Project and scale to length 1, float32 ``[utterances, projected dim]``.

        Raises what `avis.scoring.backend.Backend.transform` does.
        """
        return length_normalize(self.project(embeddings)).astype(np.float32)

    def projection_at(self, embedding: NDArray[np.floating]) -> Affine:
        """Project with the length of an embedding ``[dim]``; see `avis.scoring.backend.Step.projection_at`."""
        vectors, state, dim = self._checked(embedding[None]), self._state or {}, len(embedding)
        length = lengths(vectors) if self.units_first else 1.0
        matrix, mean = state.get("projection", np.eye(dim)), state.get("mean", np.zeros(dim))
        return Affine(matrix / length, -mean @ matrix)

    def affine_at(self, embedding: NDArray[np.floating]) -> Affine:
        """Transform with the lengths of an embedding ``[dim]``; see `avis.scoring.backend.Backend.affine_at`."""
        length = lengths(self.project(embedding[None]))
        matrix, offset = self.projection_at(embedding)
        return Affine(matrix / length, offset / length)

    def form(self) -> QuadraticForm:
        """Return the dot product as a form: all columns alike, and nothing of either vector alone."""
        return QuadraticForm(cross=np.ones(1), own=np.zeros(1), constant=0.0)

    def score(self, enroll: NDArray[np.float32], test: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score rows of `transform` ``[trials, projected dim]`` pair by pair, float32 ``[trials]`` from -1 to 1."""
        assert enroll.shape == test.shape, f"one pair of vectors per trial: {enroll.shape} and {test.shape}"
        return np.einsum("td,td->t", enroll, test).astype(np.float32, copy=False)

    def score_matrix(self, enroll: NDArray[np.float32], test: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score every row of ``enroll`` against every row of ``test``, float32 ``[enroll, test]``."""
        return enroll @ test.T

    def state(self) -> dict[str, NDArray]:
        """Return what `fit` learnt, as arrays to keep."""
        assert self._state is not None or not self.learns, "fit the back-end before its state is kept"
        return dict(self._state or {})

    def restore(self, state: dict[str, NDArray]) -> None:
        """Take back what `state` returned."""
        assert set(state) == self.learns, f"state of another back-end: {sorted(state)}"
        self._state = dict(state)
