"""Cosine back-end: the angle between two embeddings."""

import numpy as np
from numpy.typing import NDArray

from avis.scoring.length_norm import check_embeddings, length_normalize


class Cosine:
    """Score by the cosine of the angle between embeddings.

    Parameters
    ----------
    center
        Subtract the mean of the embeddings given to `fit` first: never of the trials' own embeddings.
    """

    def __init__(self, *, center: bool) -> None:
        self.center = center
        self._state: dict[str, NDArray[np.float64]] = {}

    def fit(self, embeddings: NDArray[np.floating], speakers: NDArray) -> None:
        """Learn the mean; ``speakers`` ``[utterances]`` is not used.

        Parameters
        ----------
        embeddings
            Training embeddings ``[utterances, dim]``.
        speakers
            Speaker of each row ``[utterances]``, for the sake of the interface that all back-ends share.

        Raises
        ------
        ValueError
            If an embedding is not finite.
        """
        vectors = check_embeddings(embeddings)
        self._state = {"mean": vectors.mean(axis=0)} if self.center else {}

    def transform(self, embeddings: NDArray[np.floating]) -> NDArray[np.float32]:
        """Center and scale to length 1.

        Parameters
        ----------
        embeddings
            Embeddings ``[utterances, dim]``.

        Returns
        -------
        NDArray
            Vectors for `score`, float32 ``[utterances, dim]``.

        Raises
        ------
        ValueError
            If an embedding is zero or not finite.

        Examples
        --------
        >>> Cosine(center=False).transform(np.array([[0.0, 2.0]]))
        array([[0., 1.]], dtype=float32)
        """
        if not self.center:
            return length_normalize(check_embeddings(embeddings)).astype(np.float32)
        assert self._state, "fit or restore a centering back-end before it transforms"
        mean = self._state["mean"]
        return length_normalize(check_embeddings(embeddings, dim=mean.size) - mean).astype(np.float32)

    def score(self, enroll: NDArray[np.float32], test: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score transformed vectors row by row, between -1 and 1.

        Parameters
        ----------
        enroll, test
            Rows of `transform`, one pair per trial, float32 ``[trials, dim]``.

        Returns
        -------
        NDArray
            Scores, float32 ``[trials]``.
        """
        return cosine_of_units(enroll, test)

    def state(self) -> dict[str, NDArray]:
        """Return what `fit` learnt, as arrays to keep."""
        assert self._state or not self.center, "fit the back-end before its state is kept"
        return dict(self._state)

    def restore(self, state: dict[str, NDArray]) -> None:
        """Take back what `state` returned."""
        assert set(state) == ({"mean"} if self.center else set()), f"state of another back-end: {sorted(state)}"
        self._state = dict(state)


def cosine_of_units(enroll: NDArray[np.float32], test: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the dot product of unit vectors row by row, float32 ``[trials]``."""
    assert enroll.shape == test.shape, f"one pair of vectors per trial: {enroll.shape} and {test.shape}"
    return np.einsum("td,td->t", enroll, test).astype(np.float32, copy=False)
