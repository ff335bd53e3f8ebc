"""The evidence matrix: what each stretch of one recording finds in each of the other."""

import numpy as np
from markupsafe import Markup

from avis.explain.faithfulness.windows_scorer import WindowsError, as_words
from avis.explain.page.merging import MOST_STRETCHES, merged
from avis.explain.page.part import Part, Table
from avis.explain.page.svg import AGAINST, FOR, Row, element, joined, rows_picture
from avis.explain.page.wording import DASH, MINUS, UNITS, decimals, seconds, side_name, signed
from avis.explain.record import Explanation, Matrix, SideName

ROW_PX, LETTER_PX = 26, 7
DARKEST = 0.75
"""Of a colour, so that dark text on it can be read."""

MUCH = 0.25
"""Of all cells together: if more than this is of no pair, cells are on one side of zero whatever is found."""

FEW = 6
"""Columns, up to which a phone has room for numbers."""


def evidence_part(explanation: Explanation) -> Part | None:
    """Return the matrix of segments by segments; None where there is none."""
    if explanation.evidence is None:
        return None
    return _part(
        explanation,
        explanation.evidence,
        heading="What each segment finds in each of the other side",
        reading="Every cell is what a segment of the enrolment (row) and one of the test (column) add together.",
    )


def windows_part(explanation: Explanation, error: WindowsError | None) -> Part | None:
    """Return the matrix of windows by windows; None where there is none.

    Parameters
    ----------
    explanation : Explanation
    error : WindowsError or None
        How much its scorer errs, where that is known.
    """
    if explanation.windows is None:
        return None
    return _part(
        explanation,
        explanation.windows,
        heading="What windows find in each other, each heard alone",
        reading="Another scorer than that of the ratio: it hears windows one by one and averages them, so that no "
        f"window knows its surroundings. {as_words(error) if error else ''}".rstrip(),
    )


def _part(explanation: Explanation, whole: Matrix, *, heading: str, reading: str) -> Part | None:
    if not (whole.enroll and whole.test):
        return None
    matrix = merged(whole)
    values = np.asarray(matrix.values)
    digits = decimals(values.ravel())
    rows, columns = _names(explanation, "enroll", matrix), _names(explanation, "test", matrix)
    short = _short(explanation, "test", matrix)
    top = np.unravel_index(np.abs(values).argmax(), values.shape)
    label = (
        f"{heading}: {len(rows)} rows of the enrolment, {len(columns)} columns of the test. The strongest cell: "
        f"{rows[top[0]]} with {columns[top[1]]}, {signed(float(values[top]), digits)}."
    )
    sums = [signed(total, digits) for total in values.sum(axis=1)]
    side = _short(explanation, "enroll", matrix)
    table = [
        (name, *(signed(v, digits) for v in line), total) for name, line, total in zip(side, values, sums, strict=True)
    ]
    return Part(
        heading=heading,
        reading=f"{reading} Blue and + speak for one person, orange and {MINUS} for two; behind each row is its sum.",
        drawing=rows_picture(
            [Row(name, total) for name, total in zip(side, sums, strict=True)],
            _cells(values, short, digits),
            height=len(rows) * ROW_PX + LETTER_PX * max(map(len, short)) + 4,
            label=label,
            look="cells" if len(columns) <= FEW else "cells many",
        ),
        table=Table(("Enrolment (s) by test (s)", *short, "Sum"), table),
        notes=_notes(explanation, whole, matrix, digits),
    )


def _notes(explanation: Explanation, whole: Matrix, shown: Matrix, digits: int) -> list[str]:
    cells = signed(whole.total - whole.rest, digits)
    counted = f"{UNITS[explanation.unit]}{', before the calibration adds its own' if explanation.unit == 'llr' else ''}"
    notes = [
        f"All cells together are {cells}, what is of no pair {signed(whole.rest, digits)}; both together are "
        f"{signed(whole.total, digits)} ({counted})."
    ]
    if abs(whole.rest) > MUCH * abs(whole.total - whole.rest):
        notes.append(
            "What is of no pair weighs so much that cells tell little by their sign: compare them with each other."
        )
    if len(shown.enroll) < len(whole.enroll) or len(shown.test) < len(whole.test):
        notes.append(
            f"Neighbours are added up where there are more than {MOST_STRETCHES} rows or columns: there were "
            f"{len(whole.enroll)} and {len(whole.test)}."
        )
    return notes


def _names(explanation: Explanation, side: SideName, matrix: Matrix) -> list[str]:
    spans, recordings = _of(side, matrix)
    return [f"{side_name(explanation, side, r)} {seconds(*span)}" for span, r in zip(spans, recordings, strict=True)]


def _short(explanation: Explanation, side: SideName, matrix: Matrix) -> list[str]:
    spans, recordings = _of(side, matrix)
    several = sum(each.side == side for each in explanation.sides) > 1
    return [
        (f"{recording + 1}: " if several else "") + f"{start:.1f}{DASH}{end:.1f}"
        for (start, end), recording in zip(spans, recordings, strict=True)
    ]


def _of(side: SideName, matrix: Matrix) -> tuple[list[tuple[float, float]], list[int]]:
    return (matrix.enroll, matrix.enroll_recording) if side == "enroll" else (matrix.test, matrix.test_recording)


def _cells(values: np.ndarray, columns: list[str], digits: int) -> Markup:
    highest = float(np.abs(values).max()) or 1.0
    width = 100 / len(columns)
    drawn = []
    for (row, column), value in np.ndenumerate(values):
        x, y = column * width, row * ROW_PX
        drawn.append(
            element("rect", x=f"{x:.4g}%", y=y, width=f"{width:.4g}%", height=ROW_PX, fill=_colour(value / highest))
        )
        middle = f"{x + width / 2:.4g}%"
        words = signed(value, digits)
        drawn.append(element("text", words, x=middle, y=y + 17, class_="number"))
        if words[0] in ("+", MINUS):
            drawn.append(element("text", words[0], x=middle, y=y + 17, class_="sign"))
    for column, name in enumerate(columns):
        upright = element("text", name, transform="rotate(-90)", x=-4, y=4, text_anchor="end")
        place = f"{(column + 0.5) * width:.4g}%"
        drawn.append(element("svg", upright, x=place, y=len(values) * ROW_PX, overflow="visible"))
    return joined(drawn)


def _colour(share: float) -> str:
    """Return the colour of -1 to 1, white in the middle."""
    colour = FOR if share >= 0 else AGAINST
    strength = DARKEST * abs(share)
    mixed = (round(255 + (int(colour[place : place + 2], 16) - 255) * strength) for place in (1, 3, 5))
    return "#" + "".join(f"{each:02x}" for each in mixed)
