"""What can be heard, guessed or generated, never claimed as a cause."""

from avis.explain.record.base import Record, SideName
from avis.verifier.attributes.head import AttributeName


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
