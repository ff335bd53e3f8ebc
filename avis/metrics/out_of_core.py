"""Exact figures of a trial list that does not fit into memory.

The list is read several times. The first time, scores are counted in about a million fixed cells, so that the list can
be cut into ranges of scores that do fit; then each range is gathered and sorted in its turn. Errors below a range are
known from the counts, so every error count is that of the whole list. Of each range's curve only those thresholds are
kept that a figure can depend on: corners of the convex hull, neighbours of the equal error rate and of the fixed
false-match rates, and what a DET plot can show.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avis.metrics import cllr
from avis.metrics.convex_hull import hull
from avis.metrics.det import det_points
from avis.metrics.eer import crossing
from avis.metrics.figures import Tally, Wanted
from avis.metrics.fnmr import first_within
from avis.metrics.roc import twice_won_pairs
from avis.metrics.scores import ErrorRates, SortedScores, check_both, check_each, join, sort_kinds

Chunks = Callable[[], Iterable[tuple[ArrayLike, ArrayLike]]]
"""Reads the list from its start: scores and answers of some trials at a time, in any order."""

_CELL_BITS = 20
_NUM_CELLS = 1 << _CELL_BITS


class _Range(NamedTuple):
    """Cells ``[first, last)`` and how many trials of each kind are in and below them."""

    first: int
    last: int
    size: int
    targets_before: int
    nontargets_before: int


def tally_chunks(scores: Chunks, llr: Chunks | None, *, wanted: Wanted, trials_in_memory: int) -> Tally:
    """Count the errors of a list that is read in chunks: the same counts as of `avis.metrics.figures.tally`.

    Parameters
    ----------
    scores, llr
        Read the scores and, if there are any, the log-likelihood ratios of the same trials.
    wanted
        What is to be stated.
    trials_in_memory
        How many trials are sorted at a time; more take fewer passes. Trials whose scores agree to about 3 digits are
        never parted, so that there may be more.

    Raises
    ------
    ValueError
        See `avis.metrics.scores.check`.
    """
    rates, twice_won = chunked_rates(scores, fmrs=wanted.fmrs, trials_in_memory=trials_in_memory)
    threshold = crossing(rates)[1]
    at = int(np.searchsorted(rates.thresholds, threshold))  # its neighbours are kept, so that none lies in between
    counts = Tally(rates, twice_won, rates.take(np.array([at])))
    if llr is None:
        return counts
    llrs, _ = chunked_rates(llr, fmrs=(), trials_in_memory=trials_in_memory)
    at_bayes, cost = _calibration(llr, llrs, wanted.thresholds())
    return counts._replace(llrs=llrs, at_bayes=at_bayes, cllr=cost)


def chunked_rates(chunks: Chunks, *, fmrs: tuple[float, ...], trials_in_memory: int) -> tuple[ErrorRates, int]:
    """Return the thresholds that figures depend on, and `avis.metrics.roc.twice_won_pairs` of all.

    Parameters
    ----------
    chunks
        See `Chunks`.
    fmrs
        False-match rates whose thresholds are wanted.
    trials_in_memory
        See `tally_chunks`.

    Raises
    ------
    ValueError
        See `avis.metrics.scores.check`.
    """
    cells = _count_cells(chunks)
    num_target, num_nontarget = (int(part.sum()) for part in cells)
    check_both(num_target, num_nontarget)
    kept, twice_won = [], 0
    for part in _ranges(*cells, trials_in_memory):
        values, known = _gather(chunks, part)
        rates = _sorted_part(values, known, part, num_target, num_nontarget).rates()
        twice_won += twice_won_pairs(rates)
        last = part.last == _NUM_CELLS
        points = _needed(rates, fmrs)
        # The end of a range is the start of the next one, which knows its score.
        kept.append(rates.take(points if last else points[points < rates.thresholds.size - 1]))
    return join(kept), twice_won


def _cells(values: NDArray) -> NDArray[np.int64]:
    """Return the cell of each score: cells rise with scores, and equal scores share one."""
    with np.errstate(over="ignore"):
        bits = (values.astype(np.float32) + np.float32(0.0)).view(np.int32)
    rising = np.where(bits < 0, ~bits ^ np.int32(-(2**31)), bits)
    return (rising >> (32 - _CELL_BITS)).astype(np.int64) + _NUM_CELLS // 2


def _checked(chunks: Chunks) -> Iterator[tuple[NDArray, NDArray[np.bool_]]]:
    for scores, target in chunks():
        yield check_each(scores, target)


def _count_cells(chunks: Chunks) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many target and non-target trials each cell holds: int64 ``[cells]`` each."""
    counts = np.zeros(2 * _NUM_CELLS, dtype=np.int64)
    for values, known in _checked(chunks):
        counts += np.bincount(2 * _cells(values) + known, minlength=counts.size)
    return counts[1::2], counts[::2]


def _ranges(targets: NDArray[np.int64], nontargets: NDArray[np.int64], most: int) -> Iterator[_Range]:
    """Cut the cells into ranges of at most ``most`` trials each, or of one cell."""
    below = np.concatenate(([0], np.cumsum(targets + nontargets)))
    targets_below = np.concatenate(([0], np.cumsum(targets)))
    first = 0
    while first < _NUM_CELLS:
        last = max(int(np.searchsorted(below, below[first] + most, side="right")) - 1, first + 1)
        size, before = int(below[last] - below[first]), int(targets_below[first])
        if below[last] == below[-1]:
            last = _NUM_CELLS
        if size:
            yield _Range(first, last, size, before, int(below[first]) - before)
        first = last


def _gather(chunks: Chunks, part: _Range) -> tuple[NDArray, NDArray[np.bool_]]:
    """Return scores and answers of one range."""
    values, known, filled = None, np.empty(part.size, dtype=bool), 0
    for scores, target in _checked(chunks):
        if values is None:
            values = np.empty(part.size, dtype=scores.dtype)
        cells = _cells(scores)
        inside = np.flatnonzero((cells >= part.first) & (cells < part.last))
        values[filled : filled + inside.size] = scores[inside]
        known[filled : filled + inside.size] = target[inside]
        filled += inside.size
    assert values is not None and filled == part.size, "the list changed while it was read"  # noqa: PT018
    return values, known


def _sorted_part(
    values: NDArray, known: NDArray[np.bool_], part: _Range, num_target: int, num_nontarget: int
) -> SortedScores:
    return SortedScores(
        *sort_kinds(values, known), num_target, num_nontarget, part.targets_before, part.nontargets_before
    )


def _needed(rates: ErrorRates, fmrs: tuple[float, ...]) -> NDArray[np.int64]:
    """Return which thresholds of a range figures may depend on, its ends among them."""
    corners = np.searchsorted(rates.thresholds, hull(rates).thresholds)
    fixed = np.minimum([first_within(rates, fmr) for fmr in fmrs], rates.thresholds.size - 1).astype(np.int64)
    return np.unique(np.concatenate([corners, fixed, det_points(rates)]))


def _calibration(llr: Chunks, rates: ErrorRates, thresholds: NDArray[np.float64]) -> tuple[ErrorRates, float]:
    """Return the errors at thresholds of one's own, and the cost of log-likelihood ratios, in one pass."""
    misses, rejected = (np.zeros(thresholds.size, dtype=np.int64) for _ in range(2))
    of_targets, of_nontargets = [], []
    for values, known in _checked(llr):
        targets, nontargets = values[known], values[~known]
        misses += [np.count_nonzero(targets < threshold) for threshold in thresholds]
        rejected += [np.count_nonzero(nontargets < threshold) for threshold in thresholds]
        of_targets.append(cllr.total_cost(targets, target=True))
        of_nontargets.append(cllr.total_cost(nontargets, target=False))
    cost = math.fsum(of_targets) / rates.num_target + math.fsum(of_nontargets) / rates.num_nontarget
    false_alarms = rates.num_nontarget - rejected
    return rates._replace(thresholds=thresholds, misses=misses, false_alarms=false_alarms), cost / 2
