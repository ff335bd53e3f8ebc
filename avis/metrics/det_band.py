"""Where the whole DET curve may lie, by drawing speakers as for the intervals of single figures."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avis.metrics.bootstrap import OrderedTrials, Resampling, running_sums, speaker_draws, weighted_rates
from avis.metrics.scores import ErrorRates, error_rates
from avis.metrics.trials import Trials

NUM_RAYS = 121
"""Odd, so that one of them is the diagonal."""

_LOG10_STEEPEST = 3.5


class DetBand(NamedTuple):
    """Interval of the curve on each of some rays, on which misses and false alarms keep a fixed ratio.

    It holds pointwise: on every single ray with the stated confidence, not on all at once. On the ray where both rates
    are equal it is the interval of the equal error rate.

    Attributes
    ----------
    ratios : float64 [rays]
        Miss rate divided by false-alarm rate on each ray, rising, 1 among them.
    fpr_low, fpr_high : float64 [rays]
        Ends of the interval, as false-alarm rates.
    """

    ratios: NDArray[np.float64]
    fpr_low: NDArray[np.float64]
    fpr_high: NDArray[np.float64]

    @property
    def fnr_low(self) -> NDArray[np.float64]:
        """Miss rates at the lower ends: float64 ``[rays]``."""
        return self.ratios * self.fpr_low

    @property
    def fnr_high(self) -> NDArray[np.float64]:
        """Miss rates at the upper ends: float64 ``[rays]``."""
        return self.ratios * self.fpr_high


def det_band(trials: Trials, resampling: Resampling) -> DetBand | None:
    """Return the band of a list's DET curve, or None if no draw holds both kinds of trial.

    Every curve falls from accepting all to accepting none, so it meets each ray exactly once, however steep it is
    there; on rays of fixed false-alarm rate alone the steep end would have no band.

    Parameters
    ----------
    trials : Trials
        The list, with its speakers.
    resampling : Resampling
        How speakers are drawn: as for `avis.metrics.bootstrap.speaker_intervals` of the same seed.

    Raises
    ------
    ValueError
        See `avis.metrics.bootstrap.speaker_intervals`.
    """
    rates = error_rates(trials.scores, trials.target)
    enroll, test, num_speakers = trials.speakers()
    ordered = OrderedTrials(trials.scores, np.asarray(trials.target, dtype=bool), enroll, test)
    ratios = np.logspace(-_LOG10_STEEPEST, _LOG10_STEEPEST, NUM_RAYS)
    met = []
    for drawn in speaker_draws(num_speakers, resampling.checked()):
        of_targets, of_nontargets = ordered.weights(drawn)
        below = running_sums(of_targets), running_sums(of_nontargets)
        if below[0][-1] and below[1][-1]:
            met.append(on_rays(weighted_rates(rates, *below), ratios))
    if not met:
        return None
    outside = (1.0 - resampling.confidence) / 2.0
    low, high = np.quantile(np.array(met), [outside, 1.0 - outside], axis=0)
    return DetBand(ratios, low, high)


def on_rays(rates: ErrorRates, ratios: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the false-alarm rates at which the curve of ``rates`` meets some rays: float64 ``[rays]``.

    Examples
    --------
    >>> on_rays(error_rates([3, 2, 1, -0.5, 0.5, -1, -2, -3], [1, 1, 1, 1, 0, 0, 0, 0]), np.array([0.5, 1.0]))
    array([0.25, 0.25])
    """
    fpr, fnr = rates.fpr, rates.fnr
    ratio = np.divide(fnr, fpr, out=np.full(fpr.shape, np.inf), where=fpr > 0)
    above = np.searchsorted(ratio, ratios)
    gap_below, gap_above = (fnr[at] - ratios * fpr[at] for at in (above - 1, above))
    weight = gap_below / (gap_below - gap_above)
    return (1.0 - weight) * fpr[above - 1] + weight * fpr[above]
