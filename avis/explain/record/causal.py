"""What moved the score."""

from typing import Literal

from avis.explain.record.base import Record, SideName

Kind = Literal["segment", "voice", "model", "normalisation", "quality", "offset", "rounding", "cap"]
Removal = Literal["splice", "mean", "noise"]


class Bar(Record):
    """One addend of the log-likelihood ratio.

    Attributes
    ----------
    part : str
        Its name, such as ``enrolment 0.0-1.2 s`` or ``duration, the lower of both sides``.
    kind : str
        ``offset``: what recordings of different people come to as a rule, the mean of the calibration's non-target
        trials; all others are what is otherwise here. ``segment``: what a stretch of speech adds; ``voice``: a whole
        side that cannot be split; ``model``: what both sides have in common with voices in general and, without a
        cohort, by how much two usual voices score otherwise here than different people do as a rule; ``normalisation``:
        the shift by the cohort, from what it is as a rule; ``quality``: a measure of the calibration; ``rounding``:
        that of the score to 32 bits; ``cap``: what the bounds take away.
    llr : float
    """

    part: str
    kind: Kind
    llr: float


class Segment(Record):
    """A stretch of a recording, and what speaks from it.

    Attributes
    ----------
    side : str
    recording : int
        Which of a side's recordings, from 0.
    start_s, end_s : float
        In seconds of the recording as it was given.
    llr : float or None
        Its share of the evidence, exactly additive; None where the model has no such route.
    removed : dict
        By how much the evidence falls if it is removed, by way of removal: ``splice`` cuts it out, ``mean`` puts the
        recording's mean spectrum in its place, ``noise`` noise of its level. Empty where this was not tried.
    shapley : float or None
        Its Shapley value among the segments of its recording, for another scorer than that of the ratio; see
        `avis.explain.shapley`.
    gradient : float or None
        Its integrated gradient.
    """

    side: SideName
    recording: int = 0
    start_s: float
    end_s: float
    llr: float | None = None
    removed: dict[Removal, float] = {}
    shapley: float | None = None
    gradient: float | None = None


class Frames(Record):
    """The exact share of the evidence along a recording, in equal steps of what was heard.

    Attributes
    ----------
    side, recording
        As in `Segment`.
    start_s : list of float
        Where each step begins, in seconds of the recording as given; the last element is where the last ends.
    llr : list of float
        One less than there are in ``start_s``.
    """

    side: SideName
    recording: int = 0
    start_s: list[float]
    llr: list[float]


class Matrix(Record):
    """What each stretch of one side finds in each of the other.

    Attributes
    ----------
    enroll, test : list of (float, float)
        Start and end of rows and columns, in seconds of the recordings as given.
    enroll_recording, test_recording : list of int
        Of which recording each is.
    values : list of list of float
        Evidence, ``[enroll, test]``.
    total : float
        Of this scorer: the sum of ``values`` and ``rest``.
    rest : float
        What is of no pair of stretches.
    """

    enroll: list[tuple[float, float]]
    test: list[tuple[float, float]]
    enroll_recording: list[int]
    test_recording: list[int]
    values: list[list[float]]
    total: float
    rest: float


class Band(Record):
    """By how much the evidence falls if a band of frequencies is levelled to its mean over time, on one side."""

    side: SideName
    low_hz: float
    high_hz: float
    removed: float


class Counterfactual(Record):
    """What the ratio would be if the recordings were otherwise: scored again, not guessed.

    Attributes
    ----------
    change : str
        Such as ``half of the speech``, ``at 8 kHz``.
    llr : float or None
        As a verdict has it, capped; a score where nothing is calibrated. None where nobody would be heard.
    outcome : str
    """

    change: str
    llr: float | None
    outcome: str
