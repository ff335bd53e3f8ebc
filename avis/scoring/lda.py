"""LDA back-end: the directions in which speakers differ most, then the cosine."""

import numpy as np
from numpy.typing import NDArray

from avis.scoring.cosine import cosine_of_units
from avis.scoring.length_norm import check_embeddings, length_normalize
from avis.scoring.scatter import speaker_scatter, whitening_matrix


class Lda:
    """Score by the cosine after linear discriminant analysis.

    The projection diagonalises both covariances at once: the within-speaker covariance becomes the identity (this is
    within-class covariance normalisation) and the ``dim`` directions of largest between-speaker variance are kept.

    Parameters
    ----------
    dim
        Directions kept, at most the embedding's size and the number of training speakers less one.
    shrinkage
        Weight, 0 to 1, of a multiple of the identity of equal trace in the within-speaker covariance. More than 0 where
        there are fewer training utterances than embedding values.

    References
    ----------
    Hatch, Kajarekar and Stolcke, "Within-Class Covariance Normalization for SVM-based Speaker Recognition", 2006.
    Dehak et al., "Front-End Factor Analysis for Speaker Verification", 2011, section III.
    """

    def __init__(self, *, dim: int, shrinkage: float) -> None:
        if dim < 1 or not 0.0 <= shrinkage <= 1.0:
            raise ValueError(
                f"LDA keeps directions: got dim={dim} and shrinkage={shrinkage}, expected dim >= 1 and shrinkage "
                "from 0 to 1."
            )
        self.dim = dim
        self.shrinkage = shrinkage
        self._state: dict[str, NDArray[np.float64]] = {}

    def fit(self, embeddings: NDArray[np.floating], speakers: NDArray) -> None:
        """Learn mean and projection.

        Parameters
        ----------
        embeddings
            Training embeddings ``[utterances, embedding dim]``.
        speakers
            Speaker of each row ``[utterances]``.

        Raises
        ------
        ValueError
            If an embedding is not finite, there are too few speakers or values for ``dim``, or the within-speaker
            covariance is singular.
        """
        vectors = check_embeddings(embeddings)
        mean = vectors.mean(axis=0)
        scatter = speaker_scatter(vectors - mean, speakers)
        most = min(vectors.shape[1], len(scatter.counts) - 1)
        if self.dim > most:
            raise ValueError(
                f"LDA separates speakers in as many directions as there are: got dim={self.dim}, expected at most "
                f"{most} for {len(scatter.counts)} speakers and {vectors.shape[1]} values. Lower dim or add speakers."
            )
        between = (scatter.means.T * scatter.counts) @ scatter.means / len(vectors)
        whitening = whitening_matrix(scatter.within / len(vectors), shrinkage=self.shrinkage)
        _, directions = np.linalg.eigh(whitening @ between @ whitening.T)
        self._state = {"mean": mean, "projection": whitening.T @ directions[:, ::-1][:, : self.dim]}

    def transform(self, embeddings: NDArray[np.floating]) -> NDArray[np.float32]:
        """Center, project and scale to length 1.

        Parameters
        ----------
        embeddings
            Embeddings ``[utterances, embedding dim]``.

        Returns
        -------
        NDArray
            Vectors for `score`, float32 ``[utterances, dim]``.

        Raises
        ------
        ValueError
            If an embedding is not finite, of another size than in training, or has no direction left.
        """
        assert self._state, "fit or restore the back-end before it transforms"
        mean = self._state["mean"]
        centered = check_embeddings(embeddings, dim=mean.size) - mean
        return length_normalize(centered @ self._state["projection"]).astype(np.float32)

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
        assert self._state, "fit the back-end before its state is kept"
        return dict(self._state)

    def restore(self, state: dict[str, NDArray]) -> None:
        """Take back what `state` returned."""
        assert set(state) == {"mean", "projection"}, f"state of another back-end: {sorted(state)}"
        assert state["projection"].shape[1] == self.dim, f"state of another dim: {state['projection'].shape}"
        self._state = dict(state)
