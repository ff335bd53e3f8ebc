"""The index of many explanations."""

import base64
import hashlib

import pytest

from avis.explain.page.index import IndexRow, index_page
from tests.avis.explain.page.document import Document

ROW = IndexRow(
    enroll="a/1.flac",
    test="b/2.flac",
    target=False,
    llr=3.456,
    llr_interval=(2.1, 4.2),
    outcome="match",
    verbal="moderate support for one speaker",
    reason="enrolment 1.2-2.0 s",
    num_warnings=2,
    page="trials/00001.html",
)


def page_of(*rows: IndexRow, preset="engineer") -> Document:
    return Document(index_page(rows, title="Worst trials", facts={"Checkpoint": "last.ckpt"}, preset=preset))


def test_a_row_says_it_all_and_leads_to_the_page() -> None:
    page = page_of(ROW, ROW._replace(target=None, llr=None, llr_interval=None, outcome="not_heard"))
    assert page.rows[1:3] == [
        [
            "a/1.flac",
            "b/2.flac",
            "two people",
            "+3.46",
            "+2.10 to +4.20",
            "Same speaker false accept",
            "enrolment 1.2-2.0 s",
            "2",
        ],
        ["a/1.flac", "b/2.flac", "—", "—", "—", "Not heard", "enrolment 1.2-2.0 s", "2"],
    ]
    assert ("a", "href", "trials/00001.html") in page.attributes
    assert "Checkpoint last.ckpt" in page.words


@pytest.mark.parametrize(
    ("target", "outcome", "error"),
    [
        (False, "match", "accept"),
        (True, "no_match", "reject"),
        (True, "match", None),
        (False, "no_match", None),
        (True, "unsure", None),
        (None, "match", None),
    ],
)
def test_an_error_is_a_decision_against_the_truth(target, outcome, error) -> None:
    row = ROW._replace(target=target, outcome=outcome)
    assert row.error == error
    attributes = page_of(row).attributes
    assert ("tr", "data-outcome", outcome) in attributes
    assert (("tr", "data-error", f"any {error}") in attributes) == (error is not None)


def test_counts_stand_on_top() -> None:
    rows = [ROW, ROW, ROW._replace(target=True, outcome="no_match"), ROW._replace(outcome="unsure")]
    assert "Trials 4 False accepts 2 False rejects 1 Unsure 1 Not heard 0" in page_of(*rows).words


def test_an_examiner_is_shown_no_decision() -> None:
    page = page_of(ROW, ROW._replace(target=True, outcome="no_match", verbal=""), preset="examiner")
    assert [row[5] for row in page.rows[:3]] == ["In words", "moderate support for one speaker", "—"]
    assert "Trials 2 Not heard 0" in page.words
    for told in ("false", "Same speaker", "Different speakers", "Outcome"):
        assert told not in page.words
    assert not [name for _, name, _ in page.attributes if name in ("data-outcome", "data-error")]


def test_rows_stay_in_the_order_given() -> None:
    names = ["c", "a", "b"]
    assert [row[0] for row in page_of(*(ROW._replace(enroll=name) for name in names)).rows[1:4]] == names


def test_names_and_links_are_text_whatever_they_hold() -> None:
    hostile = """</script><script>alert(1)</script>"'><img src=x onerror=alert(1)>"""
    row = ROW._replace(enroll=hostile, test=hostile, reason=hostile, page=f"javascript:{hostile}")
    page, harmless = page_of(row), page_of(ROW)
    assert page.tags == harmless.tags
    (link,) = (value for tag, name, value in page.attributes if (tag, name) == ("a", "href"))
    assert link.startswith("javascript%3A%3C/script%3E")


def test_only_its_own_script_runs() -> None:
    page = page_of(ROW)
    digest = base64.b64encode(hashlib.sha256(page.script.encode()).digest()).decode()
    assert any(f"script-src 'sha256-{digest}'" in value for _, _, value in page.attributes)
    assert "http" not in page.script


def test_five_thousand_rows_are_a_page_of_two_megabytes() -> None:
    rows = [ROW._replace(enroll=f"voices/speaker-{n % 40}/session/{n:05}.flac") for n in range(5000)]
    assert len(index_page(rows, title="Many", facts={}, preset="engineer")) < 2_500_000


def test_no_trials_are_an_index_too() -> None:
    assert "Trials 0" in page_of().words
