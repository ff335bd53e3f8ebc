"""What faithfulness comes to over many trials, with intervals over speakers."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avis.explain.record import Baseline, By, Order, Record
from avis.metrics.bootstrap import Resampling, speaker_draws

BASELINES: tuple[Baseline, ...] = ("random", "energy", "speech", "attention")
LEAST_Z = 2.0
"""Of a faithful route: so many deviations better than chance, on average."""

LEAST_SPREAD = 1e-6
"""Deviations of random orders below this are those of rounding: all segments are alike."""


class Mean(Record):
    """A mean over trials, and its interval over draws of speakers.

    Attributes
    ----------
    value : float
    interval : (float, float) or None
        None where no draw holds a trial.
    num_trials : int
    """

    value: float
    interval: tuple[float, float] | None
    num_trials: int

    @property
    def positive(self) -> bool:
        """Whether the interval lies above 0."""
        return self.interval is not None and self.interval[0] > 0


class Against(Record):
    """By how much an order is better than a baseline, trial by trial, in the unit of evidence.

    Attributes
    ----------
    baseline : str
    deletion, insertion : Mean
        The baseline's area less the order's, and the other way round: above 0 if the order is better.
    """

    baseline: Baseline
    deletion: Mean
    insertion: Mean

    @property
    def better(self) -> bool:
        """Whether the order is better by both, beyond chance."""
        return self.deletion.positive and self.insertion.positive


class OfOrder(Record):
    """How faithful an order is.

    Attributes
    ----------
    by : str
    deletion_z, insertion_z : Mean
        By how many deviations of random orders it is better than these.
    against : list of Against
        The baselines that there are, but itself.
    """

    by: By
    deletion_z: Mean
    insertion_z: Mean
    against: list[Against]

    @property
    def faithful(self) -> bool:
        """Whether it does better than chance by as much as a faithful route should, beyond chance, by deletion."""
        return self.deletion_z.positive and self.deletion_z.value > LEAST_Z

    @property
    def no_better_than(self) -> list[Baseline]:
        """The baselines that it does not beat."""
        return [each.baseline for each in self.against if not each.better]


class Ordered(NamedTuple):
    """A trial, and how evidence goes along its orders.

    Attributes
    ----------
    enroll_speaker, test_speaker : str
    orders : sequence of Order
        See `avis.explain.faithfulness.orders.orders`.
    """

    enroll_speaker: str
    test_speaker: str
    orders: Sequence[Order]


def of_orders(trials: Sequence[Ordered], resampling: Resampling) -> list[OfOrder]:
    """Return the statistics of every order but chance.

    Trials whose random orders all come to the same say nothing, and are left out, as are those that lack an order from
    what is said of it.

    Parameters
    ----------
    trials : sequence of Ordered
    resampling : Resampling
        How speakers are drawn.

    Examples
    --------
    >>> chance = Order(by="random", deletion=-1, insertion=-1, deletion_sd=0.5, insertion_sd=0.5)
    >>> share = Order(by="share", deletion=-2, insertion=0)
    >>> trials = [Ordered("a", "a", [share, chance]), Ordered("b", "b", [share, chance])]
    >>> of_orders(trials, Resampling(100, 0.95, 0))[0].deletion_z
    Mean(value=2.0, interval=(2.0, 2.0), num_trials=2)
    """
    telling = [(trial, {order.by: order for order in trial.orders}) for trial in trials]
    telling = [(trial, by) for trial, by in telling if "random" in by and _spread(by["random"])]
    present = list(dict.fromkeys(name for _, by in telling for name in by))
    if not present:
        return []
    others: list[Baseline | None] = [None, *(baseline for baseline in BASELINES if baseline in present)]
    pairs = [(name, other) for name in present for other in others]
    gains = np.array([[_gain(by, *pair) for pair in pairs] for _, by in telling]).reshape(len(telling), -1)
    speakers = [trial.enroll_speaker for trial, _ in telling], [trial.test_speaker for trial, _ in telling]
    told = means(gains, speakers, resampling)
    of_pairs = dict(zip(pairs, zip(told[::2], told[1::2], strict=True), strict=True))
    return [
        OfOrder(
            by=name,
            deletion_z=of_pairs[name, None][0],
            insertion_z=of_pairs[name, None][1],
            against=[
                Against(baseline=other, deletion=of_pairs[name, other][0], insertion=of_pairs[name, other][1])
                for other in others
                if other and other != name
            ],
        )
        for name in present
        if name != "random"
    ]


def means(
    values: NDArray[np.float64], speakers: tuple[Sequence[str], Sequence[str]], resampling: Resampling
) -> list[Mean]:
    """Return the mean of each column of ``values`` ``[trials, columns]``, and its interval over speakers.

    Speakers are drawn with replacement; a trial counts as often as its speaker was drawn, one of two speakers as often
    as the product of both (see `avis.metrics.bootstrap`). NaN stands for a value that a trial lacks; ``speakers`` are
    those of the enrolments and of the tests, ``[trials]`` each.

    Examples
    --------
    >>> means(np.array([[1.0], [3.0]]), (["a", "b"], ["a", "b"]), Resampling(1000, 0.95, 0))
    [Mean(value=2.0, interval=(1.0, 3.0), num_trials=2)]
    """
    names, number = np.unique(np.concatenate(speakers), return_inverse=True)
    one, other = np.split(number, 2)
    known = np.isfinite(values)
    filled = np.where(known, values, 0.0)
    drawn = np.array([*speaker_draws(len(names), resampling.checked())], np.float64)
    weights = np.where(one == other, drawn[:, one], drawn[:, one] * drawn[:, other])
    sums, counts = weights @ filled, weights @ known
    outside = (1.0 - resampling.confidence) / 2.0
    told = []
    for column in range(values.shape[1]):
        num, total, count = known[:, column].sum(), sums[:, column], counts[:, column]
        ends = np.quantile(total[count > 0] / count[count > 0], [outside, 1.0 - outside]) if count.any() else None
        interval = None if ends is None else (float(ends[0]), float(ends[1]))
        mean = float(filled[:, column].sum() / num) if num else 0.0
        told.append(Mean(value=mean, interval=interval, num_trials=int(num)))
    return told


def _spread(chance: Order) -> tuple[float, float] | None:
    assert chance.deletion_sd is not None, "chance has deviations"
    assert chance.insertion_sd is not None, "chance has deviations"
    deviations = chance.deletion_sd, chance.insertion_sd
    return deviations if min(deviations) > LEAST_SPREAD else None


def _gain(by: Mapping[By, Order], name: By, baseline: Baseline | None) -> tuple[float, float]:
    """Return by how much an order's deletion and insertion are better than a baseline's, NaN where one is missing.

    With no baseline, it is how many deviations they are better than chance.
    """
    other = by.get(baseline or "random")
    if name not in by or other is None:
        return np.nan, np.nan
    gain = other.deletion - by[name].deletion, by[name].insertion - other.insertion
    if baseline is not None:
        return gain
    deviations = _spread(other)
    assert deviations is not None, "trials without are left out"
    return gain[0] / deviations[0], gain[1] / deviations[1]
