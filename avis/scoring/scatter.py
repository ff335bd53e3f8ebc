"""Within- and between-speaker scatter of embeddings."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Scatter(NamedTuple):
    """First and second moments of embeddings grouped by speaker.

    Attributes
    ----------
    counts : int64 [speakers]
        Number of utterances of each speaker.
    means : float64 [speakers, dim]
        Mean embedding of each speaker.
    within : float64 [dim, dim]
        Sum over all utterances of the outer product of the deviation from the speaker's mean.
    """

    counts: NDArray[np.int64]
    means: NDArray[np.float64]
    within: NDArray[np.float64]


def speaker_scatter(vectors: NDArray[np.float64], speakers: NDArray) -> Scatter:
    """Group embeddings ``[utterances, dim]`` by ``speakers`` ``[utterances]``.

    Raises
    ------
    ValueError
        If the lengths differ, there is only one speaker, or no speaker has two utterances.

    Examples
    --------
    >>> speaker_scatter(np.array([[0.0], [2.0], [5.0]]), np.array(["a", "a", "b"])).within
    array([[2.]])
    """
    if len(speakers) != len(vectors):
        raise ValueError(
            f"Each embedding has one speaker: got speakers={len(speakers)} and embeddings={len(vectors)}, expected as "
            "many. Join them by utterance first."
        )
    names, speaker = np.unique(np.asarray(speakers), return_inverse=True)
    counts = np.bincount(speaker)
    if len(names) < 2 or counts.max() < 2:
        raise ValueError(
            f"A trained back-end compares speakers: got {len(names)} speakers with at most {counts.max(initial=0)} "
            "utterances each, expected at least 2 speakers, one of them with 2 utterances. Fit it on more data."
        )
    order = np.argsort(speaker, kind="stable")
    starts = np.concatenate(([0], np.cumsum(counts)[:-1]))
    means = np.add.reduceat(vectors[order], starts, axis=0) / counts[:, None]
    deviations = vectors - means[speaker]
    return Scatter(counts=counts, means=means, within=deviations.T @ deviations)


def check_shrinkage(shrinkage: float) -> float:
    """Return the weight if it is one.

    Raises
    ------
    ValueError
        If it is not from 0 to 1.
    """
    if not 0.0 <= shrinkage <= 1.0:
        raise ValueError(
            f"Shrinkage is a weight: got shrinkage={shrinkage}, expected 0 to 1. At scoring.backend.shrinkage. "
            "Correct it."
        )
    return shrinkage


def whitening_matrix(covariance: NDArray[np.float64], *, shrinkage: float) -> NDArray[np.float64]:
    """Return ``W`` such that ``W @ covariance @ W.T`` is the identity, after shrinking the covariance.

    Parameters
    ----------
    covariance : float64 [dim, dim]
        Covariance to whiten.
    shrinkage : float
        Weight, 0 to 1, of a multiple of the identity of equal trace.

    Raises
    ------
    ValueError
        If the shrunk covariance is singular.

    References
    ----------
    Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", 2004.

    Examples
    --------
    >>> whitening_matrix(np.diag([4.0, 1.0]), shrinkage=0.0)
    array([[0.5, 0. ],
           [0. , 1. ]])
    """
    dim = len(covariance)
    shrunk = (1.0 - shrinkage) * covariance + shrinkage * np.trace(covariance) / dim * np.eye(dim)
    rank = np.linalg.matrix_rank(shrunk, hermitian=True)
    if rank < dim:
        raise ValueError(
            f"The training covariance is divided by: got rank={rank} of {dim}, expected full rank. "
            "At scoring.backend.shrinkage. Raise it, or fit on more utterances per speaker."
        )
    return np.asarray(np.linalg.inv(np.linalg.cholesky(shrunk)), dtype=np.float64)
