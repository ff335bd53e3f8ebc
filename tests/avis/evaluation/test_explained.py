"""Pages that explain trials: found where they are those of the scores, and never where they are not there."""

import os
from pathlib import Path

import pyarrow as pa
import pytest

from avis import store
from avis.evaluation.explained import pages_of

SCORES = "/somewhere/scores/vox1.o-1a2b3c4d5e6f"


@pytest.fixture
def pages(tmp_path: Path):
    """Return what leaves pages of some trials of a scores table in a folder, asked for at a time."""

    def made(name: str, numbers: list[int], *, scores: str = "vox1.o-1a2b3c4d5e6f", at_s: int = 1) -> Path:
        folder = tmp_path / "explanations" / name
        table = pa.table({"number": numbers})
        store.commit_part(str(folder), "part-00000", {"pages": table}, row_group_rows=10)
        store.finish(str(folder), parts=["part-00000"], inputs=name, facts={"scores": scores})
        for page in (*map(str, numbers), "index"):
            (folder / f"{page}.html").write_text("why")
        os.utime(folder / "index.html", (at_s, at_s))
        return folder

    return made


def test_links_lead_from_the_report_to_pages(pages, tmp_path: Path):
    pages("a list, no. 1", [3, 17])
    found = pages_of(SCORES, str(tmp_path))
    assert found == {number: f"explanations/a%20list%2C%20no.%201/{number}.html" for number in (3, 17)}


def test_of_several_the_one_asked_for_last_is_taken(pages, tmp_path: Path):
    pages("b", [3, 17], at_s=2)
    pages("a", [3, 5], at_s=3)
    pages("c", [17], at_s=1)
    found = pages_of(SCORES, str(tmp_path))
    assert found == {3: "explanations/a/3.html", 5: "explanations/a/5.html", 17: "explanations/b/17.html"}


def test_there_is_no_link_to_what_is_not_there_or_of_other_scores(pages, tmp_path: Path):
    assert pages_of(SCORES, str(tmp_path)) == {}
    pages("other", [1], scores="vox1.o-ffffffffffff")
    unfinished = pages("unfinished", [2])
    (unfinished / "manifest.json").unlink()
    some = pages("some", [4, 5])
    (some / "4.html").unlink()
    (tmp_path / "explanations" / "a file").write_text("")
    assert pages_of(SCORES, str(tmp_path)) == {5: "explanations/some/5.html"}
    assert pages_of("scores.txt", str(tmp_path)) == {}
