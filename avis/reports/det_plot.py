"""Detection error trade-off: misses against false alarms, of one system or several."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from avis.metrics.det import det_curve
from avis.metrics.det_band import DetBand
from avis.metrics.eer import crossing
from avis.metrics.scores import ErrorRates
from avis.reports.drawing import draw_legend, line_look, new_axes

DET_TICKS_PERCENT = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 40)
"""Ticks of the NIST evaluations."""

_LOWEST_RATE = 0.0007
_HIGHEST_RATE = 0.55


class DetCurve(NamedTuple):
    """One curve: its error rates (see `avis.metrics.scores.error_rates`), and its interval band if there is one."""

    rates: ErrorRates
    band: DetBand | None = None


def det_plot(curves: Mapping[str, DetCurve]) -> Figure:
    """Draw detection error trade-off curves: miss rate against false-alarm rate on normal-deviate axes.

    Gaussian scores give a straight line; lower left is better. The equal error rate of each curve is marked where it
    crosses the diagonal.

    Parameters
    ----------
    curves : mapping of str to DetCurve
        Curves by their names in the legend.

    References
    ----------
    Martin et al., "The DET Curve in Assessment of Detection Task Performance", Eurospeech 1997.
    """
    assert curves, "a DET plot needs at least one curve"
    figure, axes = new_axes(4.65 + 0.24 * len(curves))
    highest = _HIGHEST_RATE
    for index, (name, (rates, band)) in enumerate(curves.items()):
        eer, _ = crossing(rates)
        highest = max(highest, min(1.0 - _LOWEST_RATE, 1.2 * eer))
        look = line_look(index)
        if band is not None:
            axes.fill(*_outline(band), color=look["color"], alpha=0.18, linewidth=0, zorder=1)
        axes.plot(*_deviates(rates, eer), **look, linewidth=2, label=f"EER {100 * eer:.2f} %  {name}", zorder=2)
        axes.plot(
            *_probit([eer, eer]).reshape(2, 1), "o", color=look["color"], markersize=8, markeredgecolor="w", zorder=3
        )
    _draw_axes(axes, highest)
    draw_legend(figure)
    return figure


def _deviates(rates: ErrorRates, eer: float) -> NDArray[np.float64]:
    """Return normal deviates of the curve's false-alarm and miss rates: float64 ``[2, points]``."""
    thinned = det_curve(rates)
    # The curve is straight between points in rates, not in deviates: the crossing is a point of its own.
    place = int(np.searchsorted(thinned.gap, 0))
    return _probit(np.stack([np.insert(thinned.fpr, place, eer), np.insert(thinned.fnr, place, eer)]))


def _outline(band: DetBand) -> NDArray[np.float64]:
    """Return normal deviates of a band's outline, there and back: float64 ``[2, points]``."""
    fpr = np.concatenate([band.fpr_low, band.fpr_high[::-1]])
    fnr = np.concatenate([band.fnr_low, band.fnr_high[::-1]])
    return _probit(np.stack([fpr, fnr]))


def _draw_axes(axes: Axes, highest: float) -> None:
    ticks = [percent for percent in (*DET_TICKS_PERCENT, 60, 80, 90, 95, 98, 99) if percent <= 100 * highest]
    limits = _probit([_LOWEST_RATE, highest])
    axes.plot(limits, limits, color="0.6", linewidth=1, zorder=0)
    places, labels = _probit(np.array(ticks) / 100), [f"{percent:g}" for percent in ticks]
    axes.set_xticks(places, labels, fontsize="small")
    axes.set_yticks(places, labels, fontsize="small")
    axes.set_xlim(*limits)
    axes.set_ylim(*limits)
    axes.set_aspect("equal")
    axes.set_xlabel("False alarms: different speakers accepted (%)")
    axes.set_ylabel("Misses: same speaker rejected (%)")


def _probit(rates: ArrayLike) -> NDArray[np.float64]:
    """Return normal deviates of rates, those of 0 and 1 lying just outside any axes drawn here."""
    return ndtri(np.clip(rates, _LOWEST_RATE / 10, 1.0 - _LOWEST_RATE / 10))
