"""Plots of an evaluation, written as PNG."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from avis.metrics.eer import crossing
from avis.metrics.scores import ErrorRates, check, error_rates

DET_TICKS_PERCENT = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 40)
"""Ticks of the NIST evaluations."""

# Okabe and Ito, "Color Universal Design", 2008: told apart with any kind of colour vision, and by line style in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINE_STYLES = ("-", "--", "-.", ":")

_LOWEST_RATE = 0.0007
_HIGHEST_RATE = 0.55
_DPI = 200
_NUM_BINS = 60


def plot_det(path: str | Path, systems: dict[str, tuple[ArrayLike, ArrayLike]]) -> None:
    """Draw detection error trade-off curves: miss rate against false-alarm rate on normal-deviate axes.

    Gaussian scores give a straight line; lower left is better. The equal error rate of each curve is marked where it
    crosses the diagonal.

    Parameters
    ----------
    path
        PNG file to write.
    systems
        Scores and answers ``[trials]`` of each curve by its name in the legend; see `avis.metrics.scores.check`.

    Raises
    ------
    ValueError
        See `avis.metrics.scores.check`.

    References
    ----------
    Martin et al., "The DET Curve in Assessment of Detection Task Performance", Eurospeech 1997.
    """
    assert systems, "a DET plot needs at least one curve"
    figure = Figure(figsize=(5.0, 5.4), layout="constrained")
    axes = figure.add_subplot()
    highest = _HIGHEST_RATE
    for index, (name, (scores, target)) in enumerate(systems.items()):
        rates = error_rates(scores, target)
        eer, _ = crossing(rates)
        highest = max(highest, min(1.0 - _LOWEST_RATE, 1.2 * eer))
        colour = COLOURS[index % len(COLOURS)]
        style = LINE_STYLES[index % len(LINE_STYLES)]
        fpr, fnr = _det_points(rates, eer)
        axes.plot(fpr, fnr, color=colour, linestyle=style, linewidth=2, label=f"EER {eer:.2%}  {name}")
        axes.plot(
            *_probit([eer, eer]).reshape(2, 1), "o", color=colour, markersize=8, markeredgecolor="white", zorder=3
        )
    _draw_det_axes(axes, highest)
    _draw_legend(figure)
    _save(figure, path)


def plot_histogram(path: str | Path, scores: ArrayLike, target: ArrayLike, threshold: float) -> None:
    """Draw how the scores of target and of non-target trials are distributed, and the threshold between them.

    Parameters
    ----------
    path
        PNG file to write.
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
    figure = Figure(figsize=(5.0, 4.2), layout="constrained")
    axes = figure.add_subplot()
    edges = np.histogram_bin_edges(values, bins=_NUM_BINS)
    kinds = (("Different speakers", ~known, COLOURS[1], "////"), ("Same speaker", known, COLOURS[0], ""))
    for name, chosen, colour, hatch in kinds:
        density, _ = np.histogram(values[chosen], bins=edges, density=True)
        label = f"{name} ({np.count_nonzero(chosen):,} trials)"
        axes.stairs(density, edges, fill=True, facecolor=colour, alpha=0.35, edgecolor=colour, hatch=hatch, label=label)
        axes.stairs(density, edges, color=colour, linewidth=1.6)
    axes.axvline(threshold, color="black", linestyle="--", linewidth=1.6, label=f"EER threshold {threshold:.3g}")
    axes.set_xlabel("Score (accepted from the threshold upwards)")
    axes.set_ylabel("Density")
    axes.set_ylim(bottom=0.0)
    axes.margins(x=0.01)
    axes.spines[["top", "right"]].set_visible(False)
    _draw_legend(figure)
    _save(figure, path)


def _det_points(rates: ErrorRates, eer: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return normal deviates of the curve's false-alarm and miss rates, thinned to what the eye can tell apart."""
    # The curve is straight between points in rates, not in deviates: the crossing is a point of its own.
    place = int(np.searchsorted(rates.fnr - rates.fpr, 0.0))
    points = _probit(np.stack([np.insert(rates.fpr, place, eer), np.insert(rates.fnr, place, eer)]))
    _, first = np.unique(points.round(2), axis=1, return_index=True)
    kept = np.sort(np.append(first, place))
    return points[0, kept], points[1, kept]


def _draw_det_axes(axes: Axes, highest: float) -> None:
    ticks = [percent for percent in (*DET_TICKS_PERCENT, 60, 80, 90, 95, 98, 99) if percent <= 100 * highest]
    limits = _probit([_LOWEST_RATE, highest])
    axes.plot(limits, limits, color="0.6", linewidth=1, zorder=0)
    places, labels = _probit(np.array(ticks) / 100), [f"{percent:g}" for percent in ticks]
    axes.set_xticks(places, labels, fontsize="small")
    axes.set_yticks(places, labels, fontsize="small")
    axes.set_xlim(*limits)
    axes.set_ylim(*limits)
    axes.set_aspect("equal")
    axes.grid(color="0.88", linewidth=0.8)
    axes.set_xlabel("False alarms: different speakers accepted (%)")
    axes.set_ylabel("Misses: same speaker rejected (%)")


def _draw_legend(figure: Figure) -> None:
    """Draw the legend above the axes, its names spelt as they are even where they look like formulas."""
    legend = figure.legend(loc="outside upper left", frameon=False)
    for text in legend.get_texts():
        text.set_parse_math(False)


def _probit(rates: ArrayLike) -> NDArray[np.float64]:
    """Return normal deviates of rates, those of 0 and 1 lying just outside any axes drawn here."""
    return ndtri(np.clip(rates, _LOWEST_RATE / 10, 1.0 - _LOWEST_RATE / 10))


def _save(figure: Figure, path: str | Path) -> None:
    """Write the figure through its own canvas: no window system, no state shared between threads."""
    FigureCanvasAgg(figure)
    figure.savefig(path, format="png", dpi=_DPI, metadata={"Software": None})
