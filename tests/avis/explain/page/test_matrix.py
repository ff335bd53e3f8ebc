"""The evidence matrix: read by numbers and signs, coloured by both."""

import numpy as np
import pytest

from avis.explain.faithfulness.windows_scorer import WindowsError
from avis.explain.page.matrix import DARKEST, evidence_part, windows_part
from avis.explain.record import Explanation, Matrix
from tests.avis.explain.page import records
from tests.avis.explain.page.document import Document, number, tidy


def explanation_of(values: list[list[float]]) -> Explanation:
    rows, columns = len(values), len(values[0]) if values else 0
    matrix = Matrix(
        enroll=[(float(n), n + 1.0) for n in range(rows)],
        test=[(float(n), n + 1.0) for n in range(columns)],
        enroll_recording=[0] * rows,
        test_recording=[0] * columns,
        values=values,
        total=float(np.sum(values)) + 0.5,
        rest=0.5,
    )
    return records.match().model_copy(update={"evidence": matrix, "windows": None})


def luminance(colour: str) -> float:
    """As WCAG 2 defines it."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def test_every_cell_has_its_number_its_sign_and_its_colour() -> None:
    part = evidence_part(explanation_of([[2.0, -1.0, 0.0]]))
    page = Document(f"<figure><h3>it</h3>{part.drawing}</figure>")
    # Three quarters and three eighths of the way from white to #0072B2 and to #D55E00.
    assert [cell["fill"] for cell in page.figures["it"].all("rect")] == ["#4095c5", "#efc39f", "#ffffff"]
    for word in ("+2.00", "-1.00", "0.00"):
        assert word in page.words
    assert [tidy(cell) for cell in part.table.rows[0]] == ["0.0-1.0", "+2.00", "-1.00", "0.00", "+1.00"]
    assert "All cells together are +1.00, what is of no pair +0.50; both together are +1.50" in part.notes[0]


@pytest.mark.parametrize("value", [1.0, -1.0])
def test_dark_text_can_be_read_on_the_darkest_cell(value) -> None:
    (cell,) = Document(f"<p>{evidence_part(explanation_of([[value]])).drawing}</p>").attributes_of("rect")
    contrast = (luminance(cell["fill"]) + 0.05) / (luminance("#16202c") + 0.05)
    assert contrast >= 4.5
    assert DARKEST < 1.0


def test_the_table_is_the_record() -> None:
    explanation = records.match()
    part = windows_part(explanation, None)
    values = [[number(cell) for cell in row[1:-1]] for row in part.table.rows]
    np.testing.assert_allclose(values, explanation.windows.values, atol=0.000501)
    sums = [number(row[-1]) for row in part.table.rows]
    np.testing.assert_allclose(sums, np.sum(explanation.windows.values, axis=1), atol=0.000501)


def test_how_much_windows_err_is_said_where_it_is_known() -> None:
    rates = {"eer": 0.05, "eer_interval": (0.02, 0.08), "windows_eer": 0.1, "windows_eer_interval": None}
    error = WindowsError(**rates, difference_interval=(-0.01, 0.12), num_trials=1200)
    assert windows_part(records.match(), error).reading.startswith(
        "Another scorer than that of the ratio: it hears windows one by one and averages them, so that no window knows "
        "its surroundings. Over 1,200 trials its equal error rate is 10.00 %, that of the ratio's 5.00 % [2.00, 8.00]: "
        "+5.00 points [-1.00, +12.00]. "
    )


@pytest.mark.parametrize(("cell", "is_warned"), [(1.0, True), (4.0, False)])
def test_much_that_is_of_no_pair_is_warned_of(cell, is_warned) -> None:
    notes = " ".join(evidence_part(explanation_of([[cell]])).notes)
    assert ("cells tell little by their sign" in notes) == is_warned


def test_what_was_added_up_is_said() -> None:
    part = evidence_part(records.no_match_of_several())
    assert len(part.table.rows) == 12
    assert "there were 36 and 12" in part.notes[1]
    total = sum(number(row[-1]) for row in part.table.rows)
    assert total == pytest.approx(np.sum(records.no_match_of_several().evidence.values), abs=0.01)


def test_no_matrix_is_no_part() -> None:
    assert evidence_part(records.not_heard()) is None
    assert evidence_part(explanation_of([])) is None
