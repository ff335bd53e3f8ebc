"""Cosine back-end: the angle between two embeddings."""

import numpy as np
from numpy.typing import NDArray

from avis.scoring.projection import Projection


class Cosine(Projection):
    """Score by the cosine of the angle between embeddings.

    Parameters
    ----------
    center : bool
        Whether to subtract the mean of the embeddings that `fit` gets first: never of the trials' own embeddings.

    Examples
    --------
    >>> Cosine(center=False).transform(np.array([[0.0, 2.0]]))
    array([[0., 1.]], dtype=float32)
    """

    def __init__(self, *, center: bool) -> None:
        self.learns = frozenset({"mean"} if center else ())

    def _learn(self, vectors: NDArray[np.float64], speakers: NDArray) -> dict[str, NDArray[np.float64]]:
        return {"mean": vectors.mean(axis=0)} if self.learns else {}
