"""LDA back-end: the directions in which speakers differ most, then the cosine."""

import numpy as np
from numpy.typing import NDArray

from avis.scoring.projection import Projection
from avis.scoring.scatter import speaker_scatter, whitening_matrix


class Lda(Projection):
    """Score by the cosine after linear discriminant analysis.

    The projection diagonalises both covariances at once: the within-speaker covariance becomes the identity (this is
    within-class covariance normalisation) and the ``dim`` directions of largest between-speaker variance are kept.

    Parameters
    ----------
    dim : int
        Number of directions, at most the embedding's size and the number of training speakers less one.
    shrinkage : float
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

    def _learn(self, vectors: NDArray[np.float64], speakers: NDArray) -> dict[str, NDArray[np.float64]]:
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
        return {"mean": mean, "projection": whitening.T @ directions[:, ::-1][:, : self.dim]}
