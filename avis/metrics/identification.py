"""Identification: which of the enrolled speakers it is, and whether it is any of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


class OpenSetRate(NamedTuple):
    """Detection and identification at a bounded false-alarm rate.

    Attributes
    ----------
    rate : float
        Share of enrolled speakers' probes that score at least ``threshold`` for their speaker and have the rank asked
        for.
    false_alarm_rate : float
        Share of strangers' probes that score at least ``threshold`` for anybody; at most what was allowed.
    threshold : float
        Lowest score accepted.
    """

    rate: float
    false_alarm_rate: float
    threshold: float


@dataclass(frozen=True)
class IdentificationFigures:
    """Figures of a list in which every probe is tried against every enrolment.

    Parameters
    ----------
    num_probes, num_strangers : int
        Test sides, and those of them by speakers who are not enrolled.
    num_enrolments, num_speakers : int
        Enrolment sides, and speakers of theirs.
    closed_set : mapping of int to float
        See `closed_set_accuracy`, by rank, over probes of enrolled speakers.
    open_set : mapping of float to OpenSetRate
        See `open_set_rate`, by false-alarm rate; empty without strangers.
    """

    num_probes: int
    num_strangers: int
    num_enrolments: int
    num_speakers: int
    closed_set: Mapping[int, float]
    open_set: Mapping[float, OpenSetRate]


def closed_set_accuracy(scores: ArrayLike, probe: ArrayLike, gallery: ArrayLike, *, rank: int = 1) -> float:
    """Return how often the right speaker is among the ``rank`` best, all probes being of enrolled speakers.

    A speaker enrolled more than once counts with the best score. Among equal scores the right speaker comes last, so
    that scores that say nothing are not right by the order of the gallery.

    Parameters
    ----------
    scores : array_like [probes, enrolments]
        One row for each probe, one column for each enrolment: ``[probes, enrolments]``, finite.
    probe, gallery : array_like
        Speakers of rows and columns: ``[probes]`` and ``[enrolments]``.
    rank : int
        How many speakers are looked at, from 1.

    Raises
    ------
    ValueError
        If shapes do not fit, a score is not finite, a probe's speaker is not enrolled, or ``rank`` is not positive.

    Examples
    --------
    >>> closed_set_accuracy([[0.9, 0.1], [0.6, 0.4]], ["a", "b"], ["a", "b"])
    0.5
    """
    best, column = _best_of_speakers(scores, probe, gallery, rank)
    if np.any(column < 0):
        raise ValueError(
            f"A closed set holds every probe's speaker: got {np.count_nonzero(column < 0)} probes of speakers who are "
            f"not enrolled, expected none. At {np.asarray(probe)[column < 0][0]}. Enrol them, or use open_set_rate."
        )
    return float(np.mean(_ranks(best, column) <= rank))


def open_set_rate(
    scores: ArrayLike, probe: ArrayLike, gallery: ArrayLike, *, false_alarm_rate: float, rank: int = 1
) -> OpenSetRate:
    """Return how often enrolled speakers are found and named, where strangers raise few alarms.

    Parameters
    ----------
    scores, probe, gallery, rank : array_like and int
        See `closed_set_accuracy`; probes of speakers who are not enrolled are strangers.
    false_alarm_rate : float
        Share of strangers that may be taken for somebody, between 0 and 1. The threshold is the lowest that keeps to
        it.

    Raises
    ------
    ValueError
        If there are no strangers or only strangers, or see `closed_set_accuracy`.

    References
    ----------
    Phillips, Grother and Micheals, "Evaluation methods in face recognition", in Handbook of Face Recognition, 2005
    (detection and identification rate).

    Examples
    --------
    >>> open_set_rate([[0.9, 0.1], [0.2, 0.7], [0.3, 0.6]], ["a", "b", "x"], ["a", "b"], false_alarm_rate=0.0).rate
    1.0
    """
    if not 0.0 <= false_alarm_rate <= 1.0:
        raise ValueError(f"A rate is a share: got false_alarm_rate={false_alarm_rate}, expected 0 to 1.")
    best, column = _best_of_speakers(scores, probe, gallery, rank)
    mated = column >= 0
    if mated.all() or not mated.any():
        raise ValueError(
            f"An open set has strangers and enrolled speakers: got {np.count_nonzero(mated)} probes of enrolled "
            f"speakers among {mated.size}, expected some of both. Use closed_set_accuracy without strangers."
        )
    strangers = np.sort(best[~mated].max(axis=1))
    allowed = int(np.floor(false_alarm_rate * strangers.size + 1e-9))
    everybody = float(min(best[mated].min(), strangers[0]))
    threshold = everybody if allowed >= strangers.size else float(np.nextafter(strangers[-1 - allowed], np.inf))
    own = best[mated, column[mated]]
    named = (own >= threshold) & (_ranks(best[mated], column[mated]) <= rank)
    return OpenSetRate(float(named.mean()), float(np.mean(strangers >= threshold)), threshold)


def _best_of_speakers(
    scores: ArrayLike, probe: ArrayLike, gallery: ArrayLike, rank: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the best score of each speaker ``[probes, speakers]`` and each probe's own column, -1 for strangers."""
    values, probes, enrolled = np.asarray(scores, dtype=np.float64), np.asarray(probe), np.asarray(gallery)
    if values.shape != (probes.size, enrolled.size) or values.size == 0:
        raise ValueError(
            f"Identification needs a score of every probe for every enrolment: got scores={list(values.shape)} for "
            f"{probes.size} probes and {enrolled.size} enrolments, expected [probes, enrolments] with some of both."
        )
    if not np.isfinite(values).all():
        raise ValueError(
            f"Scores must be finite: got {np.count_nonzero(~np.isfinite(values))} that are not, expected numbers. "
            f"At probe index {np.argwhere(~np.isfinite(values))[0][0]}. Check the embeddings."
        )
    if rank < 1:
        raise ValueError(f"Ranks count from 1: got rank={rank}, expected at least 1.")
    order = np.argsort(enrolled, kind="stable")
    names, start = np.unique(enrolled[order], return_index=True)
    best = np.maximum.reduceat(values[:, order], start, axis=1)
    column = np.minimum(np.searchsorted(names, probes), names.size - 1)
    return best, np.where(names[column] == probes, column, -1)


def _ranks(best: NDArray[np.float64], column: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many speakers score at least as much as the right one, that one included: int64 ``[probes]``."""
    own = best[np.arange(len(best)), column]
    return np.count_nonzero(best >= own[:, None], axis=1)
