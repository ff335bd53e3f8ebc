"""Whom the two sides are like besides: other voices, and how many of them score as the trial does."""

import numpy as np
from numpy.typing import NDArray

from avis.explain.judge import Judge
from avis.explain.record import Cohort, Neighbour, SideName
from avis.verifier.voices import Voices


def cohort(judge: Judge, voices: Voices, k: int = 5) -> Cohort:
    """Compare either side with voices of the training, each in place of the other side, all else held.

    Parameters
    ----------
    judge : Judge
        Of the trial.
    voices : Voices
    k : int
        How many count as the nearest, where there are as many.
    """
    like_enroll, _ = _evidence(judge, "test", voices)
    like_test, as_it_was = _evidence(judge, "enroll", voices)
    enroll_nearest, test_nearest = (_nearest(scores, voices, k) for scores in (like_enroll, like_test))
    both = {each.voice for each in enroll_nearest} & {each.voice for each in test_nearest}
    return Cohort(
        num_voices=len(voices.names),
        enroll_nearest=enroll_nearest,
        test_nearest=test_nearest,
        overlap=len(both),
        rank_p=(1 + int(np.count_nonzero(like_test >= as_it_was))) / (len(voices.names) + 1),
    )


def _evidence(judge: Judge, replaced: SideName, voices: Voices) -> tuple[NDArray[np.float64], float]:
    """Return the evidence ``[voices]`` with each in place of a side, and that of the side itself."""
    own = judge.embeddings[0 if replaced == "enroll" else 1]
    evidence = judge.evidence(replaced, np.concatenate([own[None], voices.embeddings]))
    return evidence[1:], float(evidence[0])


def _nearest(scores: NDArray[np.float64], voices: Voices, k: int) -> list[Neighbour]:
    first = np.lexsort((voices.names, -scores))[:k]
    return [Neighbour(voice=str(voices.names[row]), score=float(scores[row])) for row in first]
