"""All figures of one trial list from counts of its errors: of a whole list, of a bootstrap draw, or out of core."""

from collections.abc import Mapping
from typing import NamedTuple

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


class Figure(NamedTuple):
    """Which figure of a list is meant.

    Attributes
    ----------
    name : str
        What it is called in code and in ``metrics.json``, as ``min_dcf``.
    at : str
        Prior, false-match rate or protocol that it is stated at; empty where there is only one of the name.
    """

    name: str
    at: str = ""


Figures = dict[Figure, float]
"""Figures of the same trials in a fixed order: a flat vector with names."""

EER, EER_ROCCH, AUC, ACCURACY = Figure("eer"), Figure("eer_rocch"), Figure("auc"), Figure("accuracy")
FNMR, FMR = Figure("fnmr"), Figure("fmr")
CLLR, MIN_CLLR, CALIBRATION_LOSS = Figure("cllr"), Figure("min_cllr"), Figure("calibration_loss")
FNMR_AT_FMR, MIN_DCF, ACT_DCF = "fnmr_at_fmr", "min_dcf", "act_dcf"
"""Names of figures that are stated at several false-match rates and priors."""

PROTOCOL_MIN_DCF, PROTOCOL_ACT_DCF = "protocol_min_dcf", "protocol_act_dcf"
"""Names of the costs of protocols: means over their operating points."""


class FigureSet(NamedTuple):
    """Which figures are stated besides those that every list has.

    Attributes
    ----------
    protocols : mapping of str to tuple of OperatingPoint
        Operating points by name; the costs of several are averaged.
    fmrs : tuple of float
        False-match rates at which to state the false-non-match rate.
    """

    protocols: Mapping[str, tuple[OperatingPoint, ...]] = PROTOCOLS
    fmrs: tuple[float, ...] = FMRS

    def thresholds(self) -> NDArray[np.float64]:
        """Return the log-likelihood ratios at which trials are decided, rising: float64 ``[thresholds]``."""
        points = [point for several in self.protocols.values() for point in several]
        points += [OperatingPoint(p_target) for p_target in P_TARGETS]
        return np.unique([point.threshold for point in points])


class ErrorCounts(NamedTuple):
    """Counts from which all figures follow.

    Attributes
    ----------
    scores : ErrorRates
        Errors at the thresholds of the scores' curve on which figures depend, or more.
    twice_won : int
        See `avis.metrics.roc.twice_won_pairs`.
    decided : ErrorRates
        Errors at the one threshold at which rates and accuracy are stated.
    llrs, at_bayes : ErrorRates or None
        Errors along the curve of the log-likelihood ratios, and at `FigureSet.thresholds`; None where there are no
        ratios.
    cllr : float or None
        See `avis.metrics.cllr.cllr`; None where there are no log-likelihood ratios.
    """

    scores: ErrorRates
    twice_won: int
    decided: ErrorRates
    llrs: ErrorRates | None = None
    at_bayes: ErrorRates | None = None
    cllr: float | None = None


def count_errors(
    scores: ArrayLike,
    target: ArrayLike,
    llr: ArrayLike | None,
    *,
    figure_set: FigureSet,
    threshold: float | None = None,
) -> ErrorCounts:
    """Count the errors of a trial list.

    Parameters
    ----------
    scores, target : array_like [trials]
        See `avis.metrics.scores.check`.
    llr : array_like [trials], optional
        Log-likelihood ratios (natural logarithm) of the same trials.
    figure_set : FigureSet
        Which figures are to follow from the counts.
    threshold : float, optional
        Score from which trials are accepted; that of the equal error rate if None.

    Raises
    ------
    ValueError
        See `avis.metrics.scores.check`.
    """
    ordered = sort_scores(scores, target)
    rates, twice_won = key_rates(ordered, figure_set.fmrs)
    decided = ordered.rates_at([crossing(rates)[1] if threshold is None else threshold])
    counts = ErrorCounts(rates, twice_won, decided)
    if llr is None:
        return counts
    ordered = sort_scores(llr, target)
    cost = cllr.mean_of_kinds(ordered.targets, ordered.nontargets)
    at_bayes = ordered.rates_at(figure_set.thresholds())
    return counts._replace(llrs=key_rates(ordered, ())[0], at_bayes=at_bayes, cllr=cost)


def figures(counts: ErrorCounts, figure_set: FigureSet) -> Figures:
    """Return every figure that follows from the counts, rates as fractions.

    Returns
    -------
    Figures
        ``eer``, ``eer_rocch``, ``auc``, ``accuracy``, ``fnmr`` and ``fmr`` (these three at `ErrorCounts.decided`),
        ``fnmr_at_fmr`` at each rate, ``min_cllr``, ``min_dcf`` at each prior and ``protocol_min_dcf`` at each
        protocol. With log-likelihood ratios also ``cllr``, ``calibration_loss``, ``act_dcf`` and ``protocol_act_dcf``,
        and ``min_cllr`` is of them; otherwise of the scores.
    """
    rates, decided = counts.scores, counts.decided
    corners = hull(rates)
    misses, false_alarms = int(decided.misses[0]), int(decided.false_alarms[0])
    values = {
        EER: crossing(rates)[0],
        EER_ROCCH: crossing(corners)[0],
        AUC: counts.twice_won / (2 * rates.num_target * rates.num_nontarget),
        ACCURACY: 1.0 - (misses + false_alarms) / (rates.num_target + rates.num_nontarget),
        FNMR: misses / rates.num_target,
        FMR: false_alarms / rates.num_nontarget,
        **{Figure(FNMR_AT_FMR, f"{fmr:g}"): fixed_fmr(rates, fmr) for fmr in figure_set.fmrs},
        MIN_CLLR: minimum_cllr(corners if counts.llrs is None else hull(counts.llrs)),
    }
    if counts.cllr is not None:
        values |= {CLLR: counts.cllr, CALIBRATION_LOSS: counts.cllr - values[MIN_CLLR]}
    return values | _detection_costs(corners, counts.at_bayes, figure_set)


def difference(ours: Figures, theirs: Figures) -> Figures:
    """Return by how much ours exceeds theirs, of every figure that both have."""
    return {figure: value - theirs[figure] for figure, value in ours.items() if figure in theirs}


def _detection_costs(corners: ErrorRates, at_bayes: ErrorRates | None, figure_set: FigureSet) -> Figures:
    """Return minimum and actual costs at the usual priors and of every protocol."""
    priors = {f"{p_target:g}": OperatingPoint(p_target) for p_target in P_TARGETS}
    protocols = figure_set.protocols
    points = {*priors.values(), *(point for several in protocols.values() for point in several)}
    of_kinds = [(MIN_DCF, PROTOCOL_MIN_DCF, {point: float(costs(corners, point).min()) for point in points})]
    if at_bayes is not None:
        actual = {
            point: float(costs(at_bayes, point)[np.searchsorted(at_bayes.thresholds, point.threshold)])
            for point in points
        }
        of_kinds.append((ACT_DCF, PROTOCOL_ACT_DCF, actual))
    at_priors = {Figure(kind, at): cost[point] for kind, _, cost in of_kinds for at, point in priors.items()}
    of_protocols = {
        Figure(kind, name): sum(cost[point] for point in several) / len(several)
        for name, several in protocols.items()
        for _, kind, cost in of_kinds
    }
    return at_priors | of_protocols
