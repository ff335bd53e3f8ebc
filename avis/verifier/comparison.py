"""Compare embeddings as a verifier does: the back-end's scores, and what the calibration takes beside them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avis.scoring.backend import Backend
from avis.scoring.calibration import Calibration, quality_features, quality_measures


@dataclass(frozen=True)
class Sides:
    """What is compared of recordings, or of people of whom there are several.

    Attributes
    ----------
    vectors : float32 [sides, columns]
        What the back-end made of their embeddings.
    measures : float32 [sides, measures]
        Quality measures of the calibration.
    """

    vectors: NDArray[np.float32]
    measures: NDArray[np.float32]


@dataclass(frozen=True)
class Comparison:
    """What compares.

    Attributes
    ----------
    backend : Backend
        Fitted.
    calibration : Calibration or None
    settings : mapping
        What both were built of, as plain data: with what they learnt, all that tells them from others.
    """

    backend: Backend
    calibration: Calibration | None
    settings: Mapping[str, Any]

    @property
    def measures(self) -> list[str]:
        """Names of the quality measures."""
        return list(self.calibration.measures) if self.calibration else []

    def sides(self, embeddings: NDArray[np.floating], speech_s: NDArray[np.floating]) -> Sides:
        """Make the sides of embeddings ``[sides, dim]`` of so many seconds of speech ``[sides]``."""
        vectors = self.backend.transform(embeddings)
        measures = quality_measures(
            self.measures, self.backend, embeddings=embeddings, vectors=vectors, speech_s=speech_s
        )
        return Sides(vectors, measures)

    def scores(self, enroll: Sides, test: Sides) -> NDArray[np.float32]:
        """Score many sides against one, normalised if the back-end normalises: float32 ``[enroll]``."""
        if self.backend.normalized is None:
            return self.backend.score_matrix(enroll.vectors, test.vectors)[:, 0]
        repeated = np.broadcast_to(test.vectors, enroll.vectors.shape)
        raw = self.backend.normalized.raw_score(enroll.vectors, repeated)
        return self.backend.normalized.normalize(raw, enroll.vectors, repeated)

    def features(self, enroll: Sides, test: Sides) -> NDArray[np.floating]:
        """Return what the calibration takes beside the scores of many sides against one: ``[enroll, features]``."""
        return quality_features(enroll.measures, np.broadcast_to(test.measures, enroll.measures.shape))
