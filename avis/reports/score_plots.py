"""How the scores of both kinds of trial are spread: histogram, and Tippett plot of likelihood ratios."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from avis.metrics.scores import check
from avis.metrics.tippett import tippett_curves
from avis.reports.drawing import DIFFERENT, SAME, draw_legend, new_axes

_FEWEST_BINS, _MOST_BINS = 12, 60
_OUTSIDE = 0.0005
_MOST_LOG10_LR = 10.0


def histogram_plot(scores: ArrayLike, target: ArrayLike, threshold: float) -> Figure:
    """Draw how the scores of target and of non-target trials are distributed, and the threshold between them.

    The few scores far out are counted in the outermost bars, so that they do not squeeze all others.

    Parameters
    ----------
    scores, target
        Scores and answers ``[trials]``; see `avis.metrics.scores.check`.
    threshold
        Lowest accepted score, drawn as a line.

    Raises
    ------
    ValueError
        See `avis.metrics.scores.check`.
    """
    values, known = check(scores, target)
    figure, axes = new_axes(4.0)
    kinds = (("Different speakers", values[~known], DIFFERENT, "////"), ("Same speaker", values[known], SAME, ""))
    ends = np.array([np.quantile(kind, [_OUTSIDE, 1.0 - _OUTSIDE]) for _, kind, _, _ in kinds], dtype=np.float64)
    low, high = ends[:, 0].min(), ends[:, 1].max()
    rarer = min(kind.size for _, kind, _, _ in kinds)
    num_bins = int(np.clip(2 * np.sqrt(rarer), _FEWEST_BINS, _MOST_BINS))
    edges = np.histogram_bin_edges(np.array([low, high]), bins=num_bins)
    for name, kind, colour, hatch in kinds:
        density, _ = np.histogram(np.clip(kind, edges[0], edges[-1]), bins=edges, density=True)
        label = f"{name} ({kind.size:,} trials)"
        axes.stairs(density, edges, fill=True, facecolor=colour, alpha=0.35, edgecolor=colour, hatch=hatch, label=label)
        axes.stairs(density, edges, color=colour, linewidth=1.6)
    axes.axvline(threshold, color="black", linestyle="--", linewidth=1.6, label=f"EER threshold {threshold:.3g}")
    axes.set_xlabel("Score (accepted from the threshold upwards)")
    axes.set_ylabel("Density of trials")
    axes.set_ylim(bottom=0.0)
    axes.margins(x=0.01)
    draw_legend(figure)
    return figure


def tippett_plot(llr: ArrayLike, target: ArrayLike) -> Figure:
    """Draw for each likelihood ratio how many trials of each kind reach it.

    Parameters
    ----------
    llr, target
        Log-likelihood ratios (natural logarithm) and answers ``[trials]``; see `avis.metrics.scores.check`.

    Raises
    ------
    ValueError
        See `avis.metrics.scores.check`.

    References
    ----------
    See `avis.metrics.tippett.tippett_curves`.
    """
    curves = tippett_curves(llr, target)
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
