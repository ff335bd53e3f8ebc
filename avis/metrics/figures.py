"""All figures of one trial list from counts of its errors: of a whole list, of a bootstrap draw, or out of core."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avis.metrics import cllr
from avis.metrics.convex_hull import hull
from avis.metrics.dcf import costs
from avis.metrics.eer import crossing
from avis.metrics.fnmr import fixed_fmr
from avis.metrics.key_rates import key_rates
from avis.metrics.operating_point import OperatingPoint
from avis.metrics.pav import minimum_cllr
from avis.metrics.protocols import PROTOCOLS
from avis.metrics.scores import ErrorRates, sort_scores

P_TARGETS = (0.01, 0.05)
"""Priors at which detection costs are always stated: VoxCeleb papers, and VoxSRC."""

FMRS = (0.01, 0.001)
"""False-match rates at which the false-non-match rate is usually stated."""


class Wanted(NamedTuple):
    """What is to be stated besides the figures that every list has.

    Attributes
    ----------
    protocols
        Operating points by name; the costs of several are averaged.
    fmrs
        False-match rates at which to state the false-non-match rate.
    """

    protocols: Mapping[str, tuple[OperatingPoint, ...]] = PROTOCOLS
    fmrs: tuple[float, ...] = FMRS

    def thresholds(self) -> NDArray[np.float64]:
        """Return the log-likelihood ratios at which trials are decided, rising: float64 ``[thresholds]``."""
        points = [point for several in self.protocols.values() for point in several]
        points += [OperatingPoint(p_target) for p_target in P_TARGETS]
        return np.unique([point.threshold for point in points])


class Tally(NamedTuple):
    """Counts from which all figures follow.

    Attributes
    ----------
    scores
        Errors at the thresholds of the scores' curve on which figures depend, or more.
    twice_won
        See `avis.metrics.roc.twice_won_pairs`.
    decided
        Errors at the one threshold at which rates and accuracy are stated.
    llrs, at_bayes
        The like for the log-likelihood ratios, and errors at `Wanted.thresholds`; None where there are none.
    cllr
        See `avis.metrics.cllr.cllr`; None where there are no log-likelihood ratios.
    """

    scores: ErrorRates
    twice_won: int
    decided: ErrorRates
    llrs: ErrorRates | None = None
    at_bayes: ErrorRates | None = None
    cllr: float | None = None


def tally(
    scores: ArrayLike, target: ArrayLike, llr: ArrayLike | None, *, wanted: Wanted, threshold: float | None = None
) -> Tally:
    """Count the errors of a trial list.

    Parameters
    ----------
    scores, target
        See `avis.metrics.scores.check`.
    llr
        Log-likelihood ratios (natural logarithm) of the same trials, if there are any.
    wanted
        What is to be stated.
    threshold
        Score from which trials are accepted; that of the equal error rate if None.

    Raises
    ------
    ValueError
        See `avis.metrics.scores.check`.
    """
    ordered = sort_scores(scores, target)
    rates, twice_won = key_rates(ordered, wanted.fmrs)
    decided = ordered.rates_at([crossing(rates)[1] if threshold is None else threshold])
    counts = Tally(rates, twice_won, decided)
    if llr is None:
        return counts
    ordered = sort_scores(llr, target)
    cost = cllr.mean_of_kinds(ordered.targets, ordered.nontargets)
    return counts._replace(llrs=key_rates(ordered, ())[0], at_bayes=ordered.rates_at(wanted.thresholds()), cllr=cost)


def figures(counts: Tally, wanted: Wanted) -> dict[str, Any]:
    """Return every figure that follows from the counts, rates as fractions.

    Returns
    -------
    dict
        ``eer``, ``eer_rocch``, ``auc``, ``accuracy``, ``fnmr`` and ``fmr`` (these three at `Tally.decided`),
        ``fnmr_at_fmr`` (by rate), ``min_cllr``, ``min_dcf`` (by prior), ``dcf`` (by protocol: ``min``). With
        log-likelihood ratios also ``cllr``, ``calibration_loss``, ``act_dcf`` and the ``act`` of every protocol, and
        ``min_cllr`` is of them; otherwise of the scores.
    """
    rates, decided = counts.scores, counts.decided
    corners = hull(rates)
    misses, false_alarms = int(decided.misses[0]), int(decided.false_alarms[0])
    stated: dict[str, Any] = {
        "eer": crossing(rates)[0],
        "eer_rocch": crossing(corners)[0],
        "auc": counts.twice_won / (2 * rates.num_target * rates.num_nontarget),
        "accuracy": 1.0 - (misses + false_alarms) / (rates.num_target + rates.num_nontarget),
        "fnmr": misses / rates.num_target,
        "fmr": false_alarms / rates.num_nontarget,
        "fnmr_at_fmr": {f"{fmr:g}": fixed_fmr(rates, fmr) for fmr in wanted.fmrs},
        "min_cllr": minimum_cllr(corners if counts.llrs is None else hull(counts.llrs)),
    }
    if counts.cllr is not None:
        stated |= {"cllr": counts.cllr, "calibration_loss": counts.cllr - stated["min_cllr"]}
    return stated | _detection_costs(corners, counts.at_bayes, wanted)


def _detection_costs(corners: ErrorRates, at_bayes: ErrorRates | None, wanted: Wanted) -> dict[str, Any]:
    """Return minimum and actual costs at the usual priors and of every protocol."""
    priors = {f"{p_target:g}": (OperatingPoint(p_target),) for p_target in P_TARGETS}
    points = {point for several in (*priors.values(), *wanted.protocols.values()) for point in several}
    cost = {"min": {point: float(costs(corners, point).min()) for point in points}}
    if at_bayes is not None:
        cost["act"] = {
            point: float(costs(at_bayes, point)[np.searchsorted(at_bayes.thresholds, point.threshold)])
            for point in points
        }
    stated: dict[str, Any] = {
        f"{kind}_dcf": {name: of_points[point] for name, (point,) in priors.items()} for kind, of_points in cost.items()
    }
    stated["dcf"] = {
        name: {kind: sum(of_points[p] for p in several) / len(several) for kind, of_points in cost.items()}
        for name, several in wanted.protocols.items()
    }
    return stated
