"""How a measure of utterances or speakers is distributed in each split."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from avis.reports.drawing import draw_legend, line_look, new_axes


def distribution_plot(edges: ArrayLike, counts: Mapping[str, ArrayLike], *, label: str) -> Figure:
    """Draw the share of each split's values that lie in every bin.

    Parameters
    ----------
    edges : array_like [bins + 1]
        Edges of the bins.
    counts : mapping of str to array_like [bins]
        How many values lie in every bin, by split.
    label : str
        What the measure is, and its unit.
    """
    figure, axes = new_axes(3.0)
    for index, (split, values) in enumerate(counts.items()):
        look, num = line_look(index), int(np.sum(values))
        share = 100.0 * np.asarray(values) / num
        axes.stairs(share, edges, fill=True, color=look["color"], alpha=0.15)
        axes.stairs(share, edges, linewidth=1.8, label=f"{split} ({num:,})", **look)
    axes.set_xlabel(label)
    axes.set_ylabel("Share (%)")
    axes.set_ylim(bottom=0.0)
    axes.margins(x=0.01)
    draw_legend(figure)
    return figure
