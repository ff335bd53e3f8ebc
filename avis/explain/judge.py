"""What the evidence would be with another embedding on one side, all else held."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avis.explain.record import SideName, Unit
from avis.scoring.backend import scores_of
from avis.scoring.calibration import quality_features
from avis.verifier.comparison import Comparison, Sides


@dataclass(frozen=True, kw_only=True, eq=False)
class Judge:
    """Tells the evidence of a trial, and what it would be.

    Attributes
    ----------
    comparison : Comparison
    embeddings : (float64 [dim], float64 [dim])
        Of the enrolment and the test.
    speech_s : (float, float)
        Seconds of speech, which are held: what is changed of a recording counts, not that it is shorter.
    """

    comparison: Comparison
    embeddings: tuple[NDArray[np.float64], NDArray[np.float64]]
    speech_s: tuple[float, float]

    @property
    def unit(self) -> Unit:
        """What evidence is counted in."""
        return "llr" if self.comparison.calibration else "score"

    def evidence(self, side: SideName, embeddings: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the evidence with embeddings ``[changes, dim]`` in place of a side's own: float64 ``[changes]``."""
        number = 0 if side == "enroll" else 1
        sides = [*self.own()]
        sides[number] = self.comparison.sides(
            np.asarray(embeddings, np.float32), np.full(len(embeddings), self.speech_s[number])
        )
        other = sides[1 - number]
        sides[1 - number] = Sides(
            np.repeat(other.vectors, len(embeddings), axis=0), np.repeat(other.measures, len(embeddings), axis=0)
        )
        by_name = scores_of(self.comparison.backend, sides[0].vectors, sides[1].vectors)
        scores = by_name.get("score_norm", by_name["score"])
        if self.comparison.calibration is None:
            return scores.astype(np.float64)
        features = quality_features(sides[0].measures, sides[1].measures)
        return self.comparison.calibration.uncapped_llr(scores, features).astype(np.float64)

    def as_it_was(self) -> float:
        """Return the evidence of the trial."""
        return float(self.evidence("enroll", self.embeddings[0][None])[0])

    def own(self) -> tuple[Sides, Sides]:
        """Return what is compared in the trial, one row on either side."""
        enroll, test = (
            self.comparison.sides(embedding[None].astype(np.float32), np.array([speech_s]))
            for embedding, speech_s in zip(self.embeddings, self.speech_s, strict=True)
        )
        return enroll, test
