"""How the scores of both kinds of trial are spread: histogram, and Tippett plot of likelihood ratios."""

import numpy as np
from matplotlib.figure import Figure

from avis.metrics.error_curve import ErrorCurve
from avis.metrics.tippett import tippett_of
from avis.reports.drawing import DIFFERENT, SAME, draw_legend, new_axes

_FEWEST_BINS, _MOST_BINS = 12, 60
_MOST_LOG10_LR = 10.0
_LEAST_RANGE = 1e-300
"""Scores closer together are drawn as one: their density would be no finite number."""


def histogram_plot(scores: ErrorCurve, threshold: float) -> Figure:
    """Draw how the scores of target and of non-target trials are distributed, and the threshold between them.

    The few scores far out are counted in the outermost bars, so that they do not squeeze all others.

    Parameters
    ----------
    scores : ErrorCurve
        Scores of the list.
    threshold : float
        Lowest accepted score, drawn as a line.
    """
    figure, axes = new_axes(4.0)
    num_target, num_nontarget = scores.rates.num_target, scores.rates.num_nontarget
    num_bins = int(np.clip(2 * np.sqrt(min(num_target, num_nontarget)), _FEWEST_BINS, _MOST_BINS))
    low, high = scores.reach.low, scores.reach.high
    edges = np.histogram_bin_edges(np.array([low, high if high - low > _LEAST_RANGE else low]), bins=num_bins)
    inner = scores.rates_at(edges[1:-1])
    kinds = (
        ("Different speakers", num_nontarget - inner.false_alarms, num_nontarget, DIFFERENT, "////"),
        ("Same speaker", inner.misses, num_target, SAME, ""),
    )
    for name, below, total, colour, hatch in kinds:
        density = np.diff(below, prepend=0, append=total) / total / np.diff(edges)
        label = f"{name} ({total:,} trials)"
        axes.stairs(density, edges, fill=True, facecolor=colour, alpha=0.35, edgecolor=colour, hatch=hatch, label=label)
        axes.stairs(density, edges, color=colour, linewidth=1.6)
    axes.axvline(threshold, color="black", linestyle="--", linewidth=1.6, label=f"EER threshold {threshold:.3g}")
    axes.set_xlabel("Score (accepted from the threshold upwards)")
    axes.set_ylabel("Density of trials")
    axes.set_ylim(bottom=0.0)
    axes.margins(x=0.01)
    draw_legend(figure)
    return figure


def tippett_plot(llrs: ErrorCurve) -> Figure:
    """Draw for each likelihood ratio how many trials of each kind reach it.

    Parameters
    ----------
    llrs : ErrorCurve
        Log-likelihood ratios (natural logarithm) of the list.

    References
    ----------
    See `avis.metrics.tippett.tippett_curves`.
    """
    curves = tippett_of(llrs)
    at_one = int(np.searchsorted(curves.log10_lr, 0.0))
    misses, false_alarms = 1.0 - curves.same[at_one], curves.different[at_one]
    figure, axes = new_axes(4.0)
    kinds = (
        (curves.same, SAME, "-", f"Same speaker ({100 * misses:.2f} % below 1)"),
        (curves.different, DIFFERENT, "--", f"Different speakers ({100 * false_alarms:.2f} % from 1 upwards)"),
    )
    for share, colour, style, label in kinds:
        axes.plot(curves.log10_lr, 100 * share, color=colour, linestyle=style, linewidth=2, label=label)
    axes.axvline(0.0, color="black", linewidth=1)
    axes.set_xlim(
        max(min(curves.log10_lr[0], -1.0), -_MOST_LOG10_LR), min(max(curves.log10_lr[-1], 1.0), _MOST_LOG10_LR)
    )
    axes.set_ylim(0, 102)
    axes.set_xlabel("Likelihood ratio (power of ten; 0 favours neither)")
    axes.set_ylabel("Trials with at least this ratio (%)")
    draw_legend(figure)
    return figure
