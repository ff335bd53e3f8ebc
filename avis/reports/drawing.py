"""What all plots share: size, colours, legend, and the way to PNG."""

import io
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Okabe and Ito, "Color Universal Design", 2008: told apart with any kind of colour vision, and by line style in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINE_STYLES = ("-", "--", "-.", ":")
SAME, DIFFERENT = COLOURS[0], COLOURS[1]

_WIDTH_INCHES = 4.5  # ten points are then ten pixels and more on a phone
_DPI = 200


def new_axes(height_inches: float) -> tuple[Figure, Axes]:
    """Return an empty figure, as wide as all others, and its axes."""
    figure = Figure(figsize=(_WIDTH_INCHES, height_inches), layout="constrained")
    axes = figure.add_subplot()
    axes.grid(color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def line_look(index: int) -> dict[str, Any]:
    """Return colour and line style of the curve of this number."""
    return {"color": COLOURS[index % len(COLOURS)], "linestyle": LINE_STYLES[index % len(LINE_STYLES)]}


def draw_legend(figure: Figure) -> None:
    """Draw the legend above the axes, its names spelt as they are even where they look like formulas."""
    legend = figure.legend(loc="outside upper left", frameon=False)
    for text in legend.get_texts():
        text.set_parse_math(False)


def png(figure: Figure) -> bytes:
    """Return the figure as a PNG file, drawn on its own canvas: no window system, no state shared between threads."""
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return buffer.getvalue()
