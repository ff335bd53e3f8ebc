"""How far to trust it."""

from typing import Literal

from avis.explain.record.base import Record, SideName

Route = Literal["share", "splice", "mean", "noise", "shapley", "gradient", "windows"]
"""What an explanation puts first: exact shares, removal in three ways, Shapley values, integrated gradients, and
columns of the windows' matrix."""

Baseline = Literal["random", "energy", "speech", "attention"]
"""What needs no explanation: chance, the loudest first, most speech first, what attention weighs most first."""

By = Route | Baseline | Literal["best"]
"""What sets an order: ``best`` is the best that any order can do, which has looked at all subsets."""


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
