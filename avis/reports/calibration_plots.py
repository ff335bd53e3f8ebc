"""Whether likelihood ratios mean what they say: PAV plot, and Bayes error over the prior."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from avis.metrics.bayes_error import bayes_error_of
from avis.metrics.convex_hull import hull
from avis.metrics.error_curve import ErrorCurve
from avis.metrics.figures import P_TARGETS
from avis.metrics.pav import pav_of
from avis.reports.drawing import COLOURS, DIFFERENT, SAME, draw_legend, new_axes

_LEAST_REACH = 2.0
_MOST_LOG_ODDS = 7.0
_NUM_PRIORS = 141
_PRIORS_PERCENT = (0.1, 1, 10, 50, 90, 99, 99.9)
_HIGHEST_COST = 1.5


def pav_plot(llrs: ErrorCurve) -> Figure:
    """Draw given likelihood ratios against those that the trials themselves bear out (pool-adjacent-violators).

    Parameters
    ----------
    llrs : ErrorCurve
        Log-likelihood ratios (natural logarithm) of the list.

    References
    ----------
    Vergeer et al., "Measuring calibration of likelihood-ratio systems: a comparison of four metrics, including a new
    metric devPAV", Forensic Science International 321, 2021.
    """
    stairs, borne_out = pav_of(hull(llrs.rates))
    low, high = min(llrs.reach.low, -_LEAST_REACH), max(llrs.reach.high, _LEAST_REACH)
    figure, axes = new_axes(4.7)
    axes.plot([low, high], [low, high], color="black", linewidth=1, label="Well calibrated: both agree")
    beyond = 2.0 * (high - low)
    heights = np.clip(borne_out, low - beyond, high + beyond)
    edges, heights = np.append(stairs, llrs.reach.highest), np.append(heights, heights[-1])
    axes.step(edges, heights, where="post", color=COLOURS[0], linewidth=2, label="These trials")
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_xlabel("Log-likelihood ratio as given (natural logarithm)")
    axes.set_ylabel("Log-likelihood ratio borne out")
    draw_legend(figure)
    return figure


def bayes_error_plot(llrs: ErrorCurve) -> Figure:
    """Draw the cost of the decisions that likelihood ratios imply, and of the best ones, over the prior.

    Parameters
    ----------
    llrs : ErrorCurve
        Log-likelihood ratios (natural logarithm) of the list.

    References
    ----------
    See `avis.metrics.bayes_error.bayes_error_curves`.
    """
    curves = bayes_error_of(llrs, np.linspace(-_MOST_LOG_ODDS, _MOST_LOG_ODDS, _NUM_PRIORS))
    figure, axes = new_axes(4.4)
    axes.plot(curves.log_odds, curves.actual, color=DIFFERENT, linestyle="--", linewidth=2, label="Actual (as given)")
    axes.plot(curves.log_odds, curves.minimum, color=SAME, linewidth=2, label="Minimum (after the best calibration)")
    axes.axhline(1.0, color="black", linewidth=1)
    for p_target in P_TARGETS:
        axes.axvline(float(_log_odds(p_target)), color="0.5", linestyle=":", linewidth=1.2)
    percents = np.array(_PRIORS_PERCENT)
    above = axes.secondary_xaxis("top")
    above.set_xticks(_log_odds(percents / 100), [f"{percent:g}" for percent in percents])
    above.set_xlabel("Share of same-speaker trials (prior, %)")
    axes.set_xlim(-_MOST_LOG_ODDS, _MOST_LOG_ODDS)
    axes.set_ylim(0.0, min(max(1.05, 1.05 * float(curves.actual.max())), _HIGHEST_COST))
    axes.set_xlabel("Log odds of that share (natural logarithm)")
    axes.set_ylabel("Cost of errors (1: no use)")
    draw_legend(figure)
    return figure


def _log_odds(prior: ArrayLike) -> np.ndarray:
    share = np.asarray(prior, dtype=np.float64)
    return np.log(share) - np.log1p(-share)
