"""Speakers of a made-up world, in which the truth is known: normal classes of normal speakers of normal recordings."""

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from avis.verifier.attributes.head import Head

WITHIN = 0.15
"""Variance of recordings of one speaker."""


@dataclass(frozen=True)
class World:
    """Classes of speakers.

    Attributes
    ----------
    means : [classes, dim]
    between : [dim]
        Variance of speakers of one class.
    """

    means: np.ndarray
    between: np.ndarray

    @classmethod
    def drawn(cls, rng: np.random.Generator, *, dim: int, classes: int, apart: float) -> "World":
        """Draw one whose classes are so many standard deviations apart."""
        between = np.linspace(1.0, 0.05, dim)
        means = rng.normal(size=(classes, dim)) * np.sqrt(between)
        squares = np.sum((means[:, None] - means) ** 2 / (between + WITHIN), axis=-1)
        return cls(means * apart / np.sqrt(squares[np.triu_indices(classes, 1)].mean()), between)

    def recordings(self, rng: np.random.Generator, counts: list[int], each: int = 4):
        """Return embeddings ``[speakers x each, dim]``, their speakers, and each speaker's class."""
        classes = np.repeat(np.arange(len(counts)), counts)
        speakers = self.means[classes] + rng.normal(size=(len(classes), len(self.between))) * np.sqrt(self.between)
        speaker = np.repeat(np.arange(len(classes)), each)
        noise = rng.normal(size=(len(speaker), len(self.between))) * np.sqrt(WITHIN)
        return (speakers[speaker] + noise).astype(np.float32), speaker, classes

    def share(self, head: Head, embeddings: np.ndarray) -> np.ndarray:
        """Return what share is of each class ``[embeddings, classes]`` among all who look so to a head.

        Logits of a class are normal; they say no more than their differences do.
        """
        weights, offsets = head.weights[1:] - head.weights[0], head.offsets[1:] - head.offsets[0]
        away = (embeddings[:, None] - self.means) @ weights.T
        assert offsets.shape == away.shape[-1:]
        precision = np.linalg.inv((weights * (self.between + WITHIN)) @ weights.T)
        return softmax(-0.5 * np.einsum("ucp,pq,ucq->uc", away, precision, away), axis=1)
