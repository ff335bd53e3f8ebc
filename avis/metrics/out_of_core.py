"""Exact figures of a trial list that does not fit into memory.

The list is read several times. The first time, scores are counted in about a million fixed cells, so that the list can
be cut into ranges of scores that do fit; then each range is gathered and sorted in its turn. Errors below a range are
known from the counts, so every error count is that of the whole list. Of each range's curve only those thresholds are
kept that a figure can depend on: corners of the convex hull, neighbours of the equal error rate and of the fixed
false-match rates, and what a DET plot can show.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avis.metrics import cllr
from avis.metrics.convex_hull import hull
from avis.metrics.det import det_points
from avis.metrics.eer import crossing
from avis.metrics.error_curve import ErrorCurve, marks, reach
from avis.metrics.figures import ErrorCounts, FigureSet
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


class LongList(NamedTuple):
    """What is known of a list without having all of it in memory.

    Attributes
    ----------
    counts : ErrorCounts
        What `avis.metrics.figures.count_errors` returns.
    scores, llrs : ErrorCurve
        Curves for plots; the second is None where there are no log-likelihood ratios. Counting at thresholds of one's
        own reads the list once more.
    """

    counts: ErrorCounts
    scores: ErrorCurve
    llrs: ErrorCurve | None = None


def count_long_list(scores: Chunks, llr: Chunks | None, *, figure_set: FigureSet, trials_in_memory: int) -> LongList:
    """Count the errors of a list that is read in chunks, exactly.

    Parameters
    ----------
    scores, llr : Chunks
        Readers of the scores and, if there are any, the log-likelihood ratios of the same trials.
    figure_set : FigureSet
        Which figures are to follow from the counts.
    trials_in_memory : int
        How many trials are sorted at a time; more take fewer passes. Trials whose scores agree to about 3 digits are
        never parted, so that there may be more.

    Raises
    ------
    ValueError
        See `avis.metrics.scores.check`.
    """
    of_scores, twice_won = count_chunks(scores, fmrs=figure_set.fmrs, trials_in_memory=trials_in_memory)
    rates = of_scores.rates
    threshold = crossing(rates)[1]
    at = int(np.searchsorted(rates.thresholds, threshold))  # its neighbours are kept, so that none lies in between
    counts = ErrorCounts(rates, twice_won, rates.take(np.array([at])))
    if llr is None:
        return LongList(counts, of_scores)
    llrs, _ = count_chunks(llr, fmrs=(), trials_in_memory=trials_in_memory)
    at_bayes = llrs.rates_at(figure_set.thresholds())
    return LongList(counts._replace(llrs=llrs.rates, at_bayes=at_bayes, cllr=_cllr(llr, llrs.rates)), of_scores, llrs)


def count_chunks(chunks: Chunks, *, fmrs: tuple[float, ...], trials_in_memory: int) -> tuple[ErrorCurve, int]:
    """Return the thresholds that figures and plots depend on, and `avis.metrics.roc.twice_won_pairs` of all.

    Parameters
    ----------
    chunks : Chunks
        Reader of the list.
    fmrs : tuple of float
        False-match rates whose thresholds are wanted.
    trials_in_memory : int
        See `count_long_list`.

    Raises
    ------
    ValueError
        See `avis.metrics.scores.check`.
    """
    cells = _count_cells(chunks)
    num_target, num_nontarget = (int(part.sum()) for part in cells)
    check_both(num_target, num_nontarget)
    curves, marked, twice_won = [], [], 0
    for part in _ranges(*cells, trials_in_memory):
        ordered = _sorted_part(*_gather(chunks, part), part, num_target, num_nontarget)
        marked.append(marks(ordered))
        rates = ordered.rates()
        twice_won += twice_won_pairs(rates)
        last = part.last == _NUM_CELLS
        points = _needed(rates, fmrs)
        # The end of a range is the start of the next one, which knows its score.
        curves.append(rates.take(points if last else points[points < rates.thresholds.size - 1]))
    joined = join(curves)
    return ErrorCurve(joined, partial(_rates_at, chunks, joined), reach(marked)), twice_won


def _cells(values: NDArray) -> NDArray[np.int64]:
    """Return the cell of each score: cells rise with scores, and equal scores share one."""
    with np.errstate(over="ignore"):
        bits = (values.astype(np.float32) + np.float32(0.0)).view(np.int32)
    rising = np.where(bits < 0, ~bits ^ np.int32(-(2**31)), bits)
    return (rising >> (32 - _CELL_BITS)).astype(np.int64) + _NUM_CELLS // 2


def _checked(chunks: Chunks) -> Iterator[tuple[NDArray, NDArray[np.bool_]]]:
    first = 0
    for scores, target in chunks():
        checked = check_each(scores, target, first=first)
        first += checked[0].size
        yield checked


def _count_cells(chunks: Chunks) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many target and non-target trials each cell holds: int64 ``[cells]`` each."""
    counts = np.zeros(2 * _NUM_CELLS, dtype=np.int64)
    for values, is_target in _checked(chunks):
        counts += np.bincount(2 * _cells(values) + is_target, minlength=counts.size)
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
    values, is_target, filled = None, np.empty(part.size, dtype=bool), 0
    for scores, target in _checked(chunks):
        if values is None:
            values = np.empty(part.size, dtype=scores.dtype)
        cells = _cells(scores)
        inside = np.flatnonzero((cells >= part.first) & (cells < part.last))
        values[filled : filled + inside.size] = scores[inside]
        is_target[filled : filled + inside.size] = target[inside]
        filled += inside.size
    assert values is not None and filled == part.size, "the list changed while it was read"  # noqa: PT018
    return values, is_target


def _sorted_part(
    values: NDArray, is_target: NDArray[np.bool_], part: _Range, num_target: int, num_nontarget: int
) -> SortedScores:
    return SortedScores(
        *sort_kinds(values, is_target), num_target, num_nontarget, part.targets_before, part.nontargets_before
    )


def _needed(rates: ErrorRates, fmrs: tuple[float, ...]) -> NDArray[np.int64]:
    """Return which thresholds of a range figures may depend on, its ends among them."""
    corners = np.searchsorted(rates.thresholds, hull(rates).thresholds)
    fixed = np.minimum([first_within(rates, fmr) for fmr in fmrs], rates.thresholds.size - 1).astype(np.int64)
    return np.unique(np.concatenate([corners, fixed, det_points(rates)]))


def _rates_at(chunks: Chunks, rates: ErrorRates, thresholds: ArrayLike) -> ErrorRates:
    """Count both kinds of error of a list at rising thresholds of one's own, in one pass."""
    own = np.asarray(thresholds, dtype=np.float64)
    between = np.zeros(2 * (own.size + 1), dtype=np.int64)
    for values, is_target in _checked(chunks):
        reached = np.searchsorted(own, values.astype(np.float64, copy=False), side="right")
        between += np.bincount(2 * reached + is_target, minlength=between.size)
    below = np.cumsum(between.reshape(-1, 2)[:-1], axis=0)
    return rates._replace(thresholds=own, misses=below[:, 1], false_alarms=rates.num_nontarget - below[:, 0])


def _cllr(llr: Chunks, rates: ErrorRates) -> float:
    """Return the cost of log-likelihood ratios, in one pass."""
    cost = [
        (cllr.total_cost(values[is_target], target=True), cllr.total_cost(values[~is_target], target=False))
        for values, is_target in _checked(llr)
    ]
    of_targets, of_nontargets = (math.fsum(kind) for kind in zip(*cost, strict=True))
    return (of_targets / rates.num_target + of_nontargets / rates.num_nontarget) / 2
