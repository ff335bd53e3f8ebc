"""Curves over a training: the same look for each, epochs below, starts of the run marked."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from avis.reports.drawing import SAME, new_axes, png

MOST_POINTS = 600
"""Of a curve; more are averaged in groups of neighbours."""


class Curve(NamedTuple):
    """A figure over a training: float64 ``epochs`` done, from 0, and ``values``, both ``[points]``; what it is called.

    ``dots`` is for a few points that stand for themselves. ``best`` is the number of the one that is marked.
    """

    epochs: NDArray[np.float64]
    values: NDArray[np.float64]
    label: str
    dots: bool = False
    best: int | None = None
    from_zero: bool = True


def curve_plot(curve: Curve, *, starts: Sequence[float]) -> bytes:
    """Draw a curve as a PNG file.

    Parameters
    ----------
    curve : Curve
    starts : sequence of float
        Epochs done where the run went on after a break; a dotted line each.
    """
    figure, axes = new_axes(2.6)
    for place in starts:
        axes.axvline(place, color="0.6", linestyle=":", linewidth=1)
    epochs, values = thinned(curve.epochs), thinned(curve.values)
    axes.plot(epochs, values, color=SAME, linewidth=1.6, marker="o" if curve.dots else None, markersize=4)
    if curve.best is not None:
        best = float(curve.epochs[curve.best]), float(curve.values[curve.best])
        axes.plot(*best, "o", color=SAME, markersize=10, markeredgecolor="w")
        axes.annotate("best", best, xytext=(0, 9), textcoords="offset points", ha="center", fontsize="small")
    if curve.from_zero:
        axes.set_ylim(bottom=0, top=1.15 * max(float(np.nanmax(values)), 1e-12))
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("Epochs")
    axes.set_ylabel(curve.label)
    return png(figure)


def thinned(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values, of more than `MOST_POINTS` the means of groups of neighbours.

    >>> thinned(np.arange(1200.0))[:3].tolist()
    [0.5, 2.5, 4.5]
    """
    groups = -(-len(values) // MOST_POINTS)
    if groups <= 1:
        return values
    starts = np.arange(0, len(values), groups)
    return np.add.reduceat(values, starts) / np.diff(np.append(starts, len(values)))
