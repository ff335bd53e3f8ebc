"""Length normalisation: put every embedding on the unit sphere."""

import numpy as np
from numpy.typing import NDArray

from avis.scoring.additive import Affine
from avis.scoring.backend import Step


def check_embeddings(embeddings: NDArray[np.floating], *, dim: int | None = None) -> NDArray[np.float64]:
    """Return finite embeddings as float64 ``[utterances, dim]``.

    Parameters
    ----------
    embeddings : float [utterances, dim]
        Embeddings to check.
    dim : int or None
        Number of values expected per embedding; any if None.

    Raises
    ------
    ValueError
        If the shape is another one or a value is not finite.
    """
    vectors = np.asarray(embeddings, dtype=np.float64)
    if vectors.ndim != 2 or (dim is not None and vectors.shape[1] != dim):
        raise ValueError(
            f"Embeddings are a matrix: got shape={list(vectors.shape)}, expected [utterances, {dim or 'dim'}]. "
            "Use the embeddings of the model that the back-end was fitted on."
        )
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        raise ValueError(
            f"Embeddings must be finite: got NaN or infinity in {np.count_nonzero(~finite)} of {len(vectors)}, "
            f"expected numbers. At embedding row {np.argmin(finite)}. Check the model and this utterance."
        )
    return vectors


def length_normalize(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale each row to length 1.

    Raises
    ------
    ValueError
        If a row is zero, so that it has no direction.

    References
    ----------
    Garcia-Romero and Espy-Wilson, "Analysis of i-vector Length Normalization in Speaker Recognition Systems",
    Interspeech 2011.

    Examples
    --------
    >>> length_normalize(np.array([[3.0, 4.0]]))
    array([[0.6, 0.8]])
    """
    scaled = vectors / _peaks(vectors)
    return scaled / np.linalg.norm(scaled, axis=1, keepdims=True)


def lengths(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the length of each row, float64 ``[rows]``, by which `length_normalize` divides it, and raises as that.

    >>> lengths(np.array([[3.0, 4.0]]))
    array([5.])
    """
    peaks = _peaks(vectors)
    return peaks[:, 0] * np.linalg.norm(vectors / peaks, axis=1)


def _peaks(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest value of each row ``[rows, 1]``: divided by it, squares of small and large ones have room."""
    peaks = np.abs(vectors).max(axis=1, keepdims=True)
    zero = peaks[:, 0] == 0.0
    if zero.any():
        raise ValueError(
            f"An embedding needs a direction: got {np.count_nonzero(zero)} zero vectors of {len(vectors)} (after "
            f"centering, if any), expected none. At embedding row {np.argmax(zero)}. Check this utterance."
        )
    return np.asarray(peaks, np.float64)


class LengthNorm(Step):
    """Length normalisation as a step of `avis.scoring.chain.Chain`; there is nothing to learn."""

    @property
    def needs_fit(self) -> bool:
        """Whether there is anything to learn: no."""
        return False

    def fit(self, embeddings: NDArray[np.floating], speakers: NDArray) -> None:
        """Check the training embeddings ``[utterances, dim]``."""
        check_embeddings(embeddings)

    def project(self, embeddings: NDArray[np.floating]) -> NDArray[np.float64]:
        """Scale embeddings ``[utterances, dim]`` to length 1; see `length_normalize`."""
        return length_normalize(check_embeddings(embeddings))

    def projection_at(self, embedding: NDArray[np.floating]) -> Affine:
        """Divide by the length of an embedding ``[dim]``; see `avis.scoring.backend.Step.projection_at`."""
        dim = len(embedding)
        return Affine(np.eye(dim) / lengths(check_embeddings(embedding[None])), np.zeros(dim))

    def state(self) -> dict[str, NDArray]:
        """Return nothing."""
        return {}

    def restore(self, state: dict[str, NDArray]) -> None:
        """Take back what `state` returned."""
        assert not state, f"state of another step: {sorted(state)}"
