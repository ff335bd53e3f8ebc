"""Guess an attribute of a speaker, such as the gender, from an embedding, and say how sure the guess is."""

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax

AttributeName = Literal["gender", "age", "accent"]
"""What is guessed of a speaker."""

VALUE = re.compile("[^\x00-\x1f\x7f\ud800-\udfff]{1,80}")
"""What a class may be called."""

PERCENTILES = (2.5, 50.0, 97.5)
"""The middle, and the ends of an interval of 95 %."""


class Guessed(NamedTuple):
    """The class that an embedding is nearest to.

    Attributes
    ----------
    value : str
    probability : float
        Share of speakers of that class among those whose embeddings look like this one to the head, if all classes
        were equally frequent.
    interval : (float, float)
        Where it lies, at 95 %, by the speakers that there were for the calibration.
    """

    value: str
    probability: float
    interval: tuple[float, float]


@dataclass(frozen=True, kw_only=True, eq=False)
class Head:
    """A linear classifier of embeddings, calibrated on speakers that were held out of it; `fit.fit_head` makes one.

    Attributes
    ----------
    attribute : str
    classes : str [classes]
    num_speakers : int64 [classes]
        That it was fitted on.
    weights, offsets : float64 [classes, dim], [classes]
        What makes logits of an embedding.
    calibrations : float64 [draws, classes]
        Parameters that make log-probabilities of logits, all classes equally frequent (see `design`), drawn by how
        well they agree with the speakers that were held out.
    accuracy : float
        Share of held-out speakers whose class is guessed right, averaged over classes: by chance, one of so many.
    accuracy_interval : (float, float)
        At 95 %, with other speakers.
    """

    attribute: AttributeName
    classes: NDArray[np.str_]
    num_speakers: NDArray[np.int64]
    weights: NDArray[np.float64]
    offsets: NDArray[np.float64]
    calibrations: NDArray[np.float64]
    accuracy: float
    accuracy_interval: tuple[float, float]

    @property
    def chance(self) -> float:
        """How often a guess without hearing is right, averaged over classes."""
        return 1.0 / len(self.classes)

    def guess(self, embedding: ArrayLike) -> Guessed:
        """Guess the attribute of the speaker of an embedding ``[dim]``, by percentiles of the draws.

        Neither the probability nor the lower end is above what the speakers of the class bear out, all of them and a
        share of one more being so, however far away the embedding is.
        """
        logits = self.weights @ np.asarray(embedding, np.float64) + self.offsets
        first = int(np.argmax(logits))
        drawn = softmax(self.calibrations @ design(logits).T, axis=1)[:, first]
        lower, probability, upper = np.percentile(drawn, PERCENTILES).tolist()
        most = float(softened(self.num_speakers)[first, first])
        return Guessed(str(self.classes[first]), min(probability, most), (min(lower, most), upper))


def softened(num_speakers: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the shares of classes ``[classes, classes]`` that are aimed at for speakers of each.

    One more speaker is shared by all classes, so that none is ever certain.

    >>> softened(np.array([4, 9]))
    array([[0.9 , 0.1 ],
           [0.05, 0.95]])
    """
    return (np.diag(num_speakers) + 1.0 / len(num_speakers)) / (num_speakers + 1.0)[:, None]


def design(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by which inputs the calibration's parameters make log-probabilities: one slope, and offsets of sum zero.

    Parameters
    ----------
    logits : float64 [..., classes]

    Returns
    -------
    float64 [..., classes, classes]
        Classes by parameters.

    Examples
    --------
    >>> design(np.array([3.0, -1.0])) @ [0.5, 0.25]
    array([ 1.75, -0.75])
    """
    num = logits.shape[-1]
    offsets = np.vstack([np.eye(num - 1), np.full(num - 1, -1.0)])
    return np.concatenate([logits[..., None], np.broadcast_to(offsets, (*logits.shape, num - 1))], axis=-1)
