"""The record of an explanation: everything that pages, texts and tables say of a trial, as typed, plain data.

Three layers are kept apart. *Causal*: what moved the score (`Explanation.waterfall`, `segments`, `frames`, `evidence`,
`windows`, `bands`, `counterfactuals`). *Observed*: what can be heard, never claimed as a cause (`acoustics`,
`cohort`), nor, where it is guessed, as evidence (`guesses`). *Quality*: how far to trust it (`sides`, `warnings`,
`llr_interval`, `llr_bounds`, `completeness_gap`).

Evidence is counted in natural-log likelihood ratios (``llr``, not capped unless said), positive for one speaker; where
nothing is calibrated, in the back-end's score.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from avis.verifier.attributes.head import AttributeName

SideName = Literal["enroll", "test"]
Kind = Literal["segment", "voice", "model", "normalisation", "quality", "offset", "rounding", "cap"]
Unit = Literal["llr", "score"]
Removal = Literal["splice", "mean", "noise"]
Route = Literal["share", "splice", "mean", "noise", "shapley", "gradient", "windows"]
"""What an explanation puts first: exact shares, removal in three ways, Shapley values, integrated gradients, and
columns of the windows' matrix."""

Baseline = Literal["random", "energy", "speech", "attention"]
"""What needs no explanation: chance, the loudest first, most speech first, what attention weighs most first."""

By = Route | Baseline | Literal["best"]
"""What sets an order: ``best`` is the best that any order can do, which has looked at all subsets."""


class Record(BaseModel):
    """A part of an explanation; it cannot be changed, and every number of it is finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


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


class Attribute(Record):
    """What can be heard of a voice: observed, not a cause.

    Attributes
    ----------
    name, unit : str
        See `avis.acoustics.measure.ATTRIBUTES`.
    enroll, test : float or None
    enroll_percentile, test_percentile : float or None
        Share of the population's speakers below it, from 0 to 100.
    llr : float or None
        How much likelier two such values are of one speaker than of two, by the population alone. Never added to the
        system's ratio.
    """

    name: str
    unit: str
    enroll: float | None
    test: float | None
    enroll_percentile: float | None = None
    test_percentile: float | None = None
    llr: float | None = None


class Guess(Record):
    """What an embedding suggests of a speaker: observed, in no way evidence, and in no score.

    Attributes
    ----------
    side : str
    attribute : str
    value : str or None
        Of the training's speakers; None where it is unclear, since the interval reaches down to chance.
    probability : float or None
        Share of speakers of that value among those who sound so to the model, if all values were equally frequent.
    interval : (float, float) or None
        Where it lies, at 95 %.
    accuracy : float
        How often such a guess is right of speakers that were held out of the guessing, averaged over values.
    accuracy_interval : (float, float)
        Where that lies with other speakers, at 95 %.
    chance : float
        How often a guess without hearing is right.
    """

    side: SideName
    attribute: AttributeName
    value: str | None
    probability: float | None
    interval: tuple[float, float] | None
    accuracy: float
    accuracy_interval: tuple[float, float]
    chance: float


class Neighbour(Record):
    """A voice of the cohort, and the evidence with it in place of the other side, before any cap."""

    voice: str
    score: float


class Cohort(Record):
    """Other voices than these two.

    Attributes
    ----------
    num_voices : int
    enroll_nearest, test_nearest : list of Neighbour
        The nearest to either side, first the nearest.
    overlap : int
        How many are among the nearest of both.
    rank_p : float
        Share of voices, the other side among them, that are at least as like the test as the enrolment is:
        ``(1 + #{c: s(c, test) >= s(enroll, test)}) / (N + 1)``.
    """

    num_voices: int
    enroll_nearest: list[Neighbour]
    test_nearest: list[Neighbour]
    overlap: int
    rank_p: float


class Order(Record):
    """How the evidence for the decision goes along an order of segments, less that of all of them.

    Attributes
    ----------
    by : str
        See `By`.
    deletion : float
        Its mean while segments are taken away, first those that the order has first, until one is left: the lower, the
        better the order. Both curves are integrated by the trapezoid rule, over their whole length as 1.
    insertion : float
        Its mean from the first segment alone until all are back: the higher, the better.
    deletion_sd, insertion_sd : float or None
        Of chance: the deviation between random orders, of which the other two are the mean.
    """

    by: By
    deletion: float
    insertion: float
    deletion_sd: float | None = None
    insertion_sd: float | None = None


class Side(Record):
    """A recording on one side, and how it was heard.

    Attributes
    ----------
    side, recording
        As in `Segment`.
    name : str
        Path or id; empty where there is none.
    sha256 : str
        Of the samples.
    duration_s, speech_s : float
        Seconds that were heard, and of speech.
    quality : dict
        See `avis.audio.quality.measure`.
    """

    side: SideName
    recording: int = 0
    name: str
    sha256: str
    duration_s: float
    speech_s: float
    quality: dict[str, float | None]


class Caption(Record):
    """What a model that learnt from explanations says of the two embeddings: generated, and no part of the rest.

    Attributes
    ----------
    text : str
    num_statements, num_checked, num_borne_out : int
        How many things it states, on how many of them this record has something, and how many are so.
    precision, baseline : float
        Of pairs of voices that it was not trained on, the share of its statements that were so, and of always saying
        what is said most often.
    """

    text: str
    num_statements: int
    num_checked: int
    num_borne_out: int
    precision: float
    baseline: float


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
