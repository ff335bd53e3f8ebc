"""All that is told of a trial."""

from typing import Literal

from avis.explain.record.base import Record, Unit
from avis.explain.record.causal import Band, Bar, Counterfactual, Frames, Matrix, Segment
from avis.explain.record.observed import Attribute, Caption, Cohort, Guess
from avis.explain.record.quality import Order, Side


class Explanation(Record):
    """Why a trial came out as it did.

    Attributes
    ----------
    format : int
    model : str
        Digest of the checkpoint.
    outcome : str
        As in `avis.verifier.verdict.Verdict`.
    threshold : float
        Of log-likelihood ratios.
    unit : str
        Of all evidence here: ``llr``, or ``score`` where nothing is calibrated.
    score : float or None
        Of the back-end, before normalisation.
    score_norm : float or None
        Normalised by the cohort, if the back-end normalises.
    llr, llr_interval, llr_bounds
        As in `Verdict`, capped.
    num_calibration_speakers : int or None
    prior : float or None
        As the user gave it.
    verbal : str or None
        The ratio in words, by the scale given.
    waterfall : list of Bar
        Adds up to ``llr``.
    segments : list of Segment
    frames : list of Frames
    evidence : Matrix or None
        Segments by segments, of the score itself; None where the model has no such route.
    windows : Matrix or None
        Windows by windows, of the scorer that averages their embeddings.
    completeness_gap : float or None
        Of the integrated gradients: which share they miss of what they are to add up to, of both sides the larger.
    baseline : float or None
        Evidence with what they start from, the test's mean spectrum, in place of the test.
    bands : list of Band
    counterfactuals : list of Counterfactual
    acoustics : list of Attribute
    guesses : list of Guess
    cohort : Cohort or None
    calibration : list of list of float or None
        Ratios of the calibration trials that were targets, then non-targets, from the 0th to the 100th percentile.
    orders : list of Order
        How far each kind of reason foretells what becomes of the evidence, over the test's segments.
    sides : list of Side
    warnings : list of str
    caption : Caption or None
        Only where it was asked for.
    """

    format: Literal[1] = 1
    model: str
    outcome: Literal["match", "no_match", "unsure", "not_heard"]
    threshold: float
    unit: Unit
    score: float | None = None
    score_norm: float | None = None
    llr: float | None = None
    llr_interval: tuple[float, float] | None = None
    llr_bounds: tuple[float, float] | None = None
    num_calibration_speakers: int | None = None
    prior: float | None = None
    verbal: str | None = None
    waterfall: list[Bar] = []
    segments: list[Segment] = []
    frames: list[Frames] = []
    evidence: Matrix | None = None
    windows: Matrix | None = None
    completeness_gap: float | None = None
    baseline: float | None = None
    bands: list[Band] = []
    counterfactuals: list[Counterfactual] = []
    acoustics: list[Attribute] = []
    guesses: list[Guess] = []
    cohort: Cohort | None = None
    calibration: list[list[float]] | None = None
    orders: list[Order] = []
    sides: list[Side]
    warnings: list[str] = []
    caption: Caption | None = None
