"""What speaks on average, over many explanations: parts of recordings, bands of frequencies, changes of conditions."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from avis.explain.corpus.least_squares import least_squares
from avis.explain.record import Explanation, Frames

FIFTHS = 5
LEAST_SPEAKERS = 5
SIDES = {"enroll": "enrolment", "test": "test"}


class Mean(NamedTuple):
    """A mean over trials of one kind.

    Attributes
    ----------
    mean : float
        In evidence for one speaker.
    low, high : float or None
        Where it lies at 95 %, by speakers; None of fewer than `LEAST_SPEAKERS`, who all are in most of the trials.
    num_trials, num_speakers : int
    """

    mean: float
    low: float | None
    high: float | None
    num_trials: int
    num_speakers: int


class Averages:
    """What explanations say on average; `add` takes them one by one."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, bool], tuple[list[float], list[tuple[int, int]]]] = {}

    def add(self, explanation: Explanation, *, target: bool, speakers: tuple[int, int]) -> None:
        """Take in a trial, with its answer and the numbers of the speakers of both sides."""
        for kind, name, value in _values(explanation):
            values, of_speakers = self._found.setdefault((kind, name, target), ([], []))
            values.append(value)
            of_speakers.append(speakers)

    def means(self) -> dict[str, dict[str, dict[str, Mean]]]:
        """Return means by kind (``segments``, ``bands``, ``conditions``), name, and ``target`` or ``nontarget``.

        Of ``segments``: what each fifth of a recording adds to the evidence. Of ``bands``: by how much the evidence
        falls if one is levelled. Of ``conditions``: by how much it rises if the recordings are changed so.
        """
        by_kind: dict[str, dict[str, dict[str, Mean]]] = {"segments": {}, "bands": {}, "conditions": {}}
        for (kind, name, target), (values, speakers) in self._found.items():
            found = _mean(np.array(values), np.array(speakers))
            by_kind[kind].setdefault(name, {})["target" if target else "nontarget"] = found
        return by_kind


def _mean(values: np.ndarray, speakers: np.ndarray) -> Mean:
    fit = least_squares(np.ones((len(values), 1)), values, speakers)
    low, high = fit.intervals[0].tolist() if fit.num_speakers >= LEAST_SPEAKERS else (None, None)
    return Mean(float(fit.weights[0]), low, high, fit.num_trials, fit.num_speakers)


def _values(explanation: Explanation) -> Iterator[tuple[str, str, float]]:
    for side, called in SIDES.items():
        if of_side := [each for each in explanation.frames if each.side == side and each.llr]:
            sums = sum(_by_fifth(each) for each in of_side)
            for number, value in enumerate(np.atleast_1d(sums).tolist()):
                yield "segments", f"{called}, {100 * number // FIFTHS} to {100 * (number + 1) // FIFTHS} %", value
    for band in explanation.bands:
        yield "bands", f"{SIDES[band.side]}, {band.low_hz:.0f} to {band.high_hz:.0f} Hz", band.removed
    for each in explanation.counterfactuals:
        if each.llr is not None and explanation.llr is not None:
            yield "conditions", each.change, each.llr - explanation.llr


def _by_fifth(frames: Frames) -> np.ndarray:
    """Return the evidence of each fifth of a recording; steps count where their middle lies."""
    edges = np.array(frames.start_s)
    place = ((edges[:-1] + edges[1:]) / 2 - edges[0]) / (edges[-1] - edges[0])
    fifth = np.minimum((FIFTHS * place).astype(int), FIFTHS - 1)
    return np.bincount(fifth, weights=frames.llr, minlength=FIFTHS)
