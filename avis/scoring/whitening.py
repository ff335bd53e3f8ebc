"""Whitening: even out the directions in which embeddings differ, whoever speaks, then the cosine."""

import numpy as np
from numpy.typing import NDArray

from avis.scoring.projection import Projection
from avis.scoring.scatter import check_shrinkage, whitening_matrix


class Whitening(Projection):
    """Bring the training embeddings to mean 0 and covariance 1; needs no speakers.

    Parameters
    ----------
    shrinkage : float
        Weight, 0 to 1, of a multiple of the identity of equal trace in the covariance.

    References
    ----------
    Garcia-Romero and Espy-Wilson, "Analysis of i-vector Length Normalization in Speaker Recognition Systems",
    Interspeech 2011, section 3 (radial Gaussianisation: whitening, then length normalisation).
    """

    def __init__(self, *, shrinkage: float) -> None:
        self.shrinkage = check_shrinkage(shrinkage)

    def _learn(self, vectors: NDArray[np.float64], speakers: NDArray) -> dict[str, NDArray[np.float64]]:
        mean = vectors.mean(axis=0)
        covariance = (vectors - mean).T @ (vectors - mean) / len(vectors)
        return {"mean": mean, "projection": whitening_matrix(covariance, shrinkage=self.shrinkage).T}
