"""WCCN back-end: even out the directions in which a speaker's own utterances differ, then the cosine."""

import numpy as np
from numpy.typing import NDArray

from avis.scoring.projection import Projection
from avis.scoring.scatter import check_shrinkage, speaker_scatter, whitening_matrix


class Wccn(Projection):
    """Score by the cosine after within-class covariance normalisation of unit-length embeddings.

    Unlike `avis.scoring.lda.Lda` it keeps all directions, which matters where there are fewer training speakers than
    embedding values.

    Parameters
    ----------
    shrinkage : float
        Weight, 0 to 1, of a multiple of the identity of equal trace in the within-speaker covariance.

    References
    ----------
    Hatch, Kajarekar and Stolcke, "Within-Class Covariance Normalization for SVM-based Speaker Recognition", 2006.
    """

    units_first = True

    def __init__(self, *, shrinkage: float) -> None:
        self.shrinkage = check_shrinkage(shrinkage)

    def _learn(self, vectors: NDArray[np.float64], speakers: NDArray) -> dict[str, NDArray[np.float64]]:
        mean = vectors.mean(axis=0)
        within = speaker_scatter(vectors - mean, speakers).within / len(vectors)
        return {"mean": mean, "projection": whitening_matrix(within, shrinkage=self.shrinkage).T}
