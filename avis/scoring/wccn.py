"""WCCN back-end: even out the directions in which a speaker's own utterances differ, then the cosine."""

import numpy as np
from numpy.typing import NDArray

from avis.scoring.cosine import cosine_of_units
from avis.scoring.length_norm import check_embeddings, length_normalize
from avis.scoring.scatter import speaker_scatter, whitening_matrix


class Wccn:
    """Score by the cosine after within-class covariance normalisation of unit-length embeddings.

    Unlike `avis.scoring.lda.Lda` it keeps all directions, which matters where there are fewer training speakers than
    embedding values.

    Parameters
    ----------
    shrinkage
        Weight, 0 to 1, of a multiple of the identity of equal trace in the within-speaker covariance.

    References
    ----------
    Hatch, Kajarekar and Stolcke, "Within-Class Covariance Normalization for SVM-based Speaker Recognition", 2006.
    """

    def __init__(self, *, shrinkage: float) -> None:
        if not 0.0 <= shrinkage <= 1.0:
            raise ValueError(
                f"Shrinkage is a weight: got shrinkage={shrinkage}, expected 0 to 1. At scoring.backend.shrinkage. "
                "Correct it."
            )
        self.shrinkage = shrinkage
        self._state: dict[str, NDArray[np.float64]] = {}

    def fit(self, embeddings: NDArray[np.floating], speakers: NDArray) -> None:
        """Learn mean and whitening from training embeddings ``[utterances, dim]`` and their speakers ``[utterances]``.

        Raises
        ------
        ValueError
            If an embedding is not finite, or the within-speaker covariance is singular.
        """
        units = length_normalize(check_embeddings(embeddings))
        mean = units.mean(axis=0)
        within = speaker_scatter(units - mean, speakers).within / len(units)
        self._state = {"mean": mean, "whitening": whitening_matrix(within, shrinkage=self.shrinkage)}

    def transform(self, embeddings: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return unit-length vectors for `score`, float32 ``[utterances, dim]``.

        Raises
        ------
        ValueError
            If an embedding is not finite or of another size than in training.
        """
        assert self._state, "fit or restore the back-end before it transforms"
        mean, whitening = self._state["mean"], self._state["whitening"]
        units = length_normalize(check_embeddings(embeddings, dim=mean.size))
        return length_normalize((units - mean) @ whitening.T).astype(np.float32)

    def score(self, enroll: NDArray[np.float32], test: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score rows of `transform` ``[trials, dim]`` pair by pair, float32 ``[trials]`` between -1 and 1."""
        return cosine_of_units(enroll, test)

    def state(self) -> dict[str, NDArray]:
        """Return what `fit` learnt, as arrays to keep."""
        assert self._state, "fit the back-end before its state is kept"
        return dict(self._state)

    def restore(self, state: dict[str, NDArray]) -> None:
        """Take back what `state` returned."""
        assert set(state) == {"mean", "whitening"}, f"state of another back-end: {sorted(state)}"
        self._state = dict(state)
