"""Scores as exact sums: what one embedding comes to while lengths are held, and what two vectors come to."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Affine(NamedTuple):
    """A map ``embedding @ matrix + offset``, so that parts of which an embedding is the sum go through one by one.

    Attributes
    ----------
    matrix : float64 [dim, columns]
    offset : float64 [columns]
    """

    matrix: NDArray[np.float64]
    offset: NDArray[np.float64]

    def then(self, after: "Affine") -> "Affine":
        """Return the map that is this one, then another.

        >>> twice, plus_one = Affine(2 * np.eye(1), np.zeros(1)), Affine(np.eye(1), np.ones(1))
        >>> plus_one.then(twice)
        Affine(matrix=array([[2.]]), offset=array([2.]))
        """
        return Affine(self.matrix @ after.matrix, self.offset @ after.matrix + after.offset)


class QuadraticForm(NamedTuple):
    """A score of two vectors a and b: ``sum(cross * a * b) + sum(own * (a * a + b * b)) + constant``.

    Attributes
    ----------
    cross, own : float64 [columns] or [1]
        Weights of what both share, and of what is of either alone; one where all columns weigh alike, as in a cosine.
    constant : float
        What two vectors of zeros score.
    """

    cross: NDArray[np.float64]
    own: NDArray[np.float64]
    constant: float

    def of(self, one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
        """Return the score of two vectors ``[columns]``.

        >>> QuadraticForm(np.array([2.0]), np.array([0.5]), 1.0).of(np.array([1.0, 0.0]), np.array([3.0, 1.0]))
        12.5
        """
        return float(np.sum(self.cross * one * other) + np.sum(self.own * (one**2 + other**2)) + self.constant)
