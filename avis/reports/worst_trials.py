"""The trials that went most wrong: worth listening to before anything else."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avis.metrics.out_of_core import Chunks
from avis.metrics.trials import Trials

NUM_WORST = 10


class Trial(NamedTuple):
    """One trial: the utterances or models on its two sides with their speakers, as far as known, and its score.

    ``number`` counts from 1 in the order of the scores table; ``page`` is a link to why it came
    out so, if there is one.
    """

    number: int
    enroll: str | None
    test: str | None
    enroll_speaker: str | None
    test_speaker: str | None
    score: float
    page: str | None = None


class WorstTrials(NamedTuple):
    """The non-targets that score highest, and the targets that score lowest, each from the worst on."""

    nontargets: list[int]
    targets: list[int]


def worst_trials(trials: Trials, *, num: int = NUM_WORST) -> WorstTrials:
    """Return the indices of the worst trials of each kind; of equal scores the earlier trial comes first.

    Examples
    --------
    >>> trials = Trials(np.array([3.0, 1.0, 2.0, 0.0]), np.array([True, True, False, False]))
    >>> worst_trials(trials, num=1)
    WorstTrials(nontargets=[2], targets=[1])
    """
    target = np.asarray(trials.target, dtype=bool)
    nontargets = _lowest(-trials.scores[~target], num)
    targets = _lowest(trials.scores[target], num)
    return WorstTrials(np.flatnonzero(~target)[nontargets].tolist(), np.flatnonzero(target)[targets].tolist())


def worst_of_chunks(chunks: Chunks, *, num: int = NUM_WORST) -> WorstTrials:
    """Return the indices of the worst trials of each kind of a list that is read in chunks."""
    first, rows = 0, np.zeros(0, dtype=np.int64)
    candidates = Trials(np.zeros(0), np.zeros(0, dtype=bool))
    worst = WorstTrials([], [])
    for scores, target in chunks():
        last = first + np.size(scores)
        rows = np.append(rows, np.arange(first, last))
        candidates = Trials(np.append(candidates.scores, scores), np.append(candidates.target, target))
        places = worst_trials(candidates, num=num)
        worst = WorstTrials(rows[places.nontargets].tolist(), rows[places.targets].tolist())
        these = np.array([*places.nontargets, *places.targets], dtype=np.int64)
        first, rows, candidates = last, rows[these], candidates.take(these)
    return worst


def _lowest(values: NDArray, num: int) -> NDArray[np.int64]:
    if num >= values.size:
        return np.argsort(values, kind="stable")
    limit = np.partition(values, num - 1)[num - 1]
    candidates = np.flatnonzero(values <= limit)
    return candidates[np.argsort(values[candidates], kind="stable")][:num]
