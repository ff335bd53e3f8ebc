import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from avis.metrics.summary import summarize
from avis.reports.html import PNG_SIGNATURE, metric_rows, write_report

SHOWN = ("eer", "eer_threshold", "min_dcf", "auc", "accuracy", "num_target", "num_nontarget")
METRICS = {
    key: value
    for key, value in summarize([2, 1, 0, 1.5, 0.5, -1, -2, -3], [1, 1, 1, 0, 0, 0, 0, 0]).items()
    if key in SHOWN
}


class Page(HTMLParser):
    """Collects the tags, attributes and text of a page, and that its tags are closed in order."""

    VOID = ("meta", "img", "link", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def write(folder: Path, **changes: object) -> str:
    picture = folder / "det.png"
    picture.write_bytes(PNG_SIGNATURE + b"rest")
    values = {
        "title": "Evaluation",
        "metrics": {"vox1_o": METRICS, "dev": METRICS},
        "plots": {"vox1_o": {"histogram": picture, "det": str(picture)}},
        "facts": {"Checkpoint": "s3://bucket/last.ckpt", "Config hash": "ab12"},
    }
    write_report(folder / "report.html", **{**values, **changes})
    return (folder / "report.html").read_text(encoding="utf-8")


def test_page_states_headline_metrics_and_facts(tmp_path: Path) -> None:
    page = Page(write(tmp_path))
    text = re.sub(r"\s+", " ", page.text.replace("\N{NO-BREAK SPACE}", " "))
    assert text.count("Equal error rate on ") == 2
    for expected in ("33.33 %", "8 trials", "minDCF (0.01)", "0.6667", "0.8000", "75.00 %", "Checkpoint", "ab12"):
        assert expected in text
    assert text.index("Detection error trade-off") < text.index("How the scores of both kinds")


def test_page_is_self_contained(tmp_path: Path) -> None:
    text = write(tmp_path)
    page = Page(text)
    sources = [value for _, name, value in page.attributes if name in ("src", "href", "srcset", "action")]
    assert len(sources) == 2
    for source in sources:
        prefix, _, payload = str(source).partition(",")
        assert prefix == "data:image/png;base64"
        assert base64.b64decode(payload) == PNG_SIGNATURE + b"rest"
    assert not {"script", "link", "iframe"} & set(page.tags)
    assert "http:" not in text
    assert "https:" not in text
    assert "url(" not in text
    assert "@import" not in text


def test_everything_is_escaped(tmp_path: Path) -> None:
    attack = "<script>alert(1)</script>\" onload='x' &"
    picture = tmp_path / "x.png"
    picture.write_bytes(PNG_SIGNATURE)
    text = write(
        tmp_path,
        title=attack,
        metrics={attack: METRICS},
        plots={attack: {"det": picture}},
        facts={attack: attack},
    )
    page = Page(text)
    assert "script" not in page.tags
    assert not any(name.startswith("on") for _, name, _ in page.attributes)
    assert page.text.count(attack) == 6
    assert ("img", "alt", f"Detection error trade-off of {attack}") in page.attributes


def test_page_suits_phones_print_and_the_dark(tmp_path: Path) -> None:
    text = write(tmp_path)
    assert 'name="viewport" content="width=device-width' in text
    for condition in ("prefers-color-scheme: dark", "@media print", "max-width: 38rem"):
        assert condition in text


def test_report_without_plots(tmp_path: Path) -> None:
    assert "img" not in Page(write(tmp_path, plots={})).tags


def test_every_metric_has_a_row_with_one_sentence() -> None:
    rows = metric_rows(METRICS)
    assert len(rows) == len(METRICS) + 1
    assert len({row.name for row in rows}) == len(rows)
    for row in rows:
        assert row.meaning.endswith(".")
        assert ". " not in row.meaning


@pytest.mark.parametrize(("eer", "words"), [(0.01, "about 1 trial in 100"), (0.0, "frequent."), (0.5, "frequent.")])
def test_equal_error_rate_in_words(eer: float, words: str) -> None:
    assert words in metric_rows({**METRICS, "eer": eer})[0].meaning


def test_plots_must_be_png(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"<svg/>")
    with pytest.raises(ValueError, match=r"Plots are PNG files.*x\.png"):
        write(tmp_path, plots={"dev": {"det": tmp_path / "x.png"}})
