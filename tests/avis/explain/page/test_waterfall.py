"""The waterfall: its bars hang together, from zero to the ratio."""

import pytest

from avis.explain.page.waterfall import AT_ONCE, waterfall_part
from avis.explain.record import Bar, Explanation
from tests.avis.explain.page import records
from tests.avis.explain.page.document import Document, number


def drawn(explanation: Explanation, *, show_threshold: bool = True) -> Document:
    part = waterfall_part(explanation, show_threshold=show_threshold)
    assert part is not None
    return Document(f"<figure><h3>it</h3>{part.drawing}</figure>")


def of_bars(*bars: Bar, llr: float) -> Explanation:
    return records.match().model_copy(update={"waterfall": list(bars), "llr": llr})


def test_a_bar_begins_where_the_last_one_ended() -> None:
    explanation = records.match()
    bars = drawn(explanation).figures["it"].all("rect")
    spans = [(float(bar["x"].rstrip("%")), float(bar["width"].rstrip("%"))) for bar in bars]
    total_start, total_width = spans.pop()
    at = zero = spans[0][0]
    for (start, width), bar in zip(spans, explanation.waterfall, strict=True):
        end = at + width if bar.llr >= 0 else at - width
        assert min(at, end) == pytest.approx(start, abs=0.02)
        at = end
    assert (total_start, total_start + total_width) == pytest.approx((zero, at), abs=0.05)


def test_places_by_hand() -> None:
    # From -1 to 3 with 0.16 of room at either end: 0 lies at 1.16 / 4.32, and one unit is 1 / 4.32.
    explanation = of_bars(
        Bar(part="a", kind="segment", llr=3.0), Bar(part="b", kind="offset", llr=-4.0), llr=-1.0
    ).model_copy(update={"threshold": 1.0})
    said, less, total = drawn(explanation).figures["it"].all("rect")
    assert (said["x"], said["width"]) == ("26.85%", "69.45%")
    assert (less["x"], less["width"]) == ("3.7%", "92.6%")
    assert (total["x"], total["width"]) == ("3.7%", "23.15%")
    assert said["fill"] != "#fff"
    assert less["fill"] == "#fff"
    (threshold,) = (line for line in drawn(explanation).figures["it"].all("line") if line["class"] == "dashed")
    assert threshold["x1"] == threshold["x2"] == "50%"


def test_the_table_adds_up_to_the_ratio() -> None:
    explanation = records.no_match_of_several()
    part = waterfall_part(explanation, show_threshold=True)
    assert [row[0] for row in part.table.rows] == [bar.part for bar in explanation.waterfall]
    assert [number(row[2]) for row in part.table.rows] == pytest.approx(
        [bar.llr for bar in explanation.waterfall], abs=0.00501
    )
    assert number(part.table.rows[-1][3]) == pytest.approx(explanation.llr, abs=0.00501)


def test_many_bars_are_cut_where_a_sheet_of_paper_ends() -> None:
    explanation = records.no_match_of_several()
    figure = drawn(explanation).figures["it"]
    assert len(figure.labels) == 2
    assert figure.labels[1].endswith(f"These are the bars {AT_ONCE + 1} to {len(explanation.waterfall)}.")
    assert len(figure.all("rect")) == len(explanation.waterfall) + 1


def test_who_is_told_no_decision_sees_no_threshold() -> None:
    assert "dashed" not in {
        line["class"] for line in drawn(records.match(), show_threshold=False).figures["it"].all("line")
    }


def test_no_bars_are_no_picture() -> None:
    assert waterfall_part(records.not_heard(), show_threshold=True) is None
