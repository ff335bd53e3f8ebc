"""Where along a test recording the evidence lies, frame by frame, and how alike two such maps are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from avis.explain.judge import Judge
from avis.explain.shares import shares, take_apart
from avis.explain.side import Given, Side, side_of
from avis.explain.waterfall import conversion_of
from avis.verifier.verifier import Verifier


@dataclass(frozen=True, kw_only=True, eq=False)
class Map:
    """The exact shares of a test recording's frames.

    Attributes
    ----------
    middle_s : float64 [frames]
        In seconds of the recording as given.
    llr : float64 [frames]
        In the unit of evidence.
    """

    middle_s: NDArray[np.float64]
    llr: NDArray[np.float64]

    def within(self, start_s: float, end_s: float) -> NDArray[np.bool_]:
        """Tell which frames have their middle in a stretch."""
        return (start_s <= self.middle_s) & (self.middle_s < end_s)

    def smoothed(self, over_s: float) -> "Map":
        """Return the map whose frames are each the mean of those around them, over a stretch of time.

        >>> Map(middle_s=np.arange(4.0), llr=np.array([0.0, 3.0, 6.0, 0.0])).smoothed(2.5).llr.tolist()
        [1.5, 3.0, 3.0, 3.0]
        """
        first = np.searchsorted(self.middle_s, self.middle_s - over_s / 2)
        last = np.searchsorted(self.middle_s, self.middle_s + over_s / 2, side="right")
        sums = np.append(0.0, np.cumsum(self.llr))
        return Map(middle_s=self.middle_s, llr=(sums[last] - sums[first]) / (last - first))


def side(verifier: Verifier, given: Given) -> Side:
    """Hear one recording, whichever side it is on; raises what `avis.verifier.verifier.Verifier.embed` does."""
    return side_of(verifier, "test", given)


def judge_of(verifier: Verifier, sides: tuple[Side, Side]) -> Judge:
    """Return the judge of two sides that were heard."""
    return Judge(
        comparison=verifier.comparison,
        embeddings=(sides[0].embedding, sides[1].embedding),
        speech_s=(sides[0].voiceprint.speech_s, sides[1].voiceprint.speech_s),
    )


def map_of(verifier: Verifier, enroll: Side, test: Side) -> Map | None:
    """Return the map of a test recording; None where the model has no such route, or somebody is not heard."""
    if len(test.heard) != 1 or not (test.divisible and (enroll.heard or enroll.voiceprint.embedding is not None)):
        return None
    sides, usual = (enroll, test), verifier.voices.usual if verifier.voices else None
    of_frames = shares(verifier.backend, sides, take_apart(verifier.backend, sides, usual)).frames[1][0]
    heard = test.heard[0]
    middles = (heard.frame_edges[:-1] + heard.frame_edges[1:]) / 2
    return Map(middle_s=heard.given_s(middles), llr=conversion_of(judge_of(verifier, sides)).factor * of_frames)


def agreement(one: Map, other: Map) -> float:
    """Return Spearman's rank correlation of two maps, the other read at the times of the one.

    Times that the other does not reach are left out; a map without rises and falls agrees with none: 0.

    Examples
    --------
    >>> rising = Map(middle_s=np.arange(4.0), llr=np.array([0.0, 1.0, 2.0, 4.0]))
    >>> agreement(rising, Map(middle_s=np.arange(4.0), llr=np.array([9.0, 8.0, 7.0, 0.0])))
    -1.0
    """
    reached = (one.middle_s >= other.middle_s[0]) & (one.middle_s <= other.middle_s[-1])
    return spearman(one.llr[reached], np.interp(one.middle_s[reached], other.middle_s, other.llr))


def spearman(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the correlation of ranks, of equal values their mean; 0 where all of either are equal."""
    ranks = [rankdata(each) - (len(each) + 1) / 2 for each in (one, other)]
    norm = float(np.sqrt((ranks[0] @ ranks[0]) * (ranks[1] @ ranks[1])))
    return float(ranks[0] @ ranks[1]) / norm if norm else 0.0
