"""The page of an inspection: warnings first, complete, escaped, and nothing outside the file."""

import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from avis.reports.distribution_plot import distribution_plot
from avis.reports.inspection import MEASURES, RULES, inspection_page
from avis.reports.inspection_warnings import warnings

SUMMARY = {"known": 9, "missing": 1, "mean": 0.5, "min": 0.0, "p05": 0.1, "median": 0.4, "p95": 0.9, "max": 1.0}
UNKNOWN = {"known": 0, "missing": 10, **dict.fromkeys(("mean", "min", "p05", "median", "p95", "max"))}
NONE = {"num": 0, "examples": []}


class Page(HTMLParser):
    """Collects tags, attributes and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)
        self.words = re.sub(r"\s+", " ", self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data + " "


def group(split: str = "train", **changes: Any) -> dict[str, Any]:
    measures = {name: {**SUMMARY, "missing": 0} for name in MEASURES}
    counts = {"utterances": 1234, "speakers": 10, "sessions": 30, "single_session_speakers": 0}
    return {
        "split": split,
        "corpus": None,
        **counts,
        "hours": 2.5,
        "speech_hours": 1.25,
        "measures": measures,
        **changes,
    }


def suspicion(rule: str, num: Any, *examples: Any) -> dict[str, Any]:
    return {"rule": rule, "says": f"why {rule}", "num": num, "examples": list(examples)}


def findings(**changes: Any) -> dict[str, Any]:
    """Return what is found in a collection that nothing is wrong with, but for the changes."""
    splits = {"train": 0, "test": 0}
    nothing_shared = dict.fromkeys(("speakers", "sessions", "audio"), NONE)
    no_copies = {"groups": 0, "utterances": 0, "examples": []}
    return {
        "total": group(),
        "groups": [group(), group("test")],
        "distributions": {name: {"edges": [0, 1, 2], "counts": {"train": [3, 1], "test": [0, 4]}} for name in MEASURES},
        "rejects": [],
        "duplicates": {"within_speaker": no_copies, "across_speakers": no_copies},
        "shared": [{"between": ["train", "test"], **nothing_shared}],
        "trials": {},
        "suspicious_utterances": [suspicion(rule, splits) for rule in list(RULES)[3:]],
        "suspicious_speakers": [suspicion(rule, 0) for rule in list(RULES)[:3]],
        **changes,
    }


def page_of(found: dict[str, Any], **facts: str) -> Page:
    return Page(inspection_page({**found, "warnings": warnings(found)}, facts=facts))


def faults(name: str) -> dict[str, Any]:
    """Return what is found where everything is wrong, all names being this one."""
    shared = {"num": 1, "examples": [name]}
    copies = {"groups": 1, "utterances": 9, "examples": [{"copies": 9, "utt_ids": [name], "splits": ["train"]}]}
    counts = {"trials": 7, "targets": 4, "nontargets": 3, "missing": 1, "utterances": 5, "speakers": 4}
    counts |= {"same_audio": 2, "same_session_targets": 3}
    pairs = [["train", "test"], ["train", f"trials {name}"]]
    return findings(
        groups=[group(), group(corpus=name, speech_hours=None), group("test", single_session_speakers=6)],
        rejects=[{"reason": "silent", "num": 4, "examples": [{"path": name, "detail": name}]}],
        duplicates={"within_speaker": copies, "across_speakers": copies},
        shared=[{"between": pair, "speakers": shared, "sessions": shared, "audio": shared} for pair in pairs],
        trials={name: counts},
        suspicious_utterances=[suspicion(rule, {"train": 5, "test": 0}, name) for rule in list(RULES)[3:]],
        suspicious_speakers=[
            suspicion(rule, 1, {"speaker": name, "utterances": 2, "quiet": 0.5, "narrow_band": None})
            for rule in list(RULES)[:3]
        ],
    )


def test_clean_collections_have_no_warnings():
    found = findings()
    assert warnings(found) == []
    words = page_of(found).words
    assert "Nothing suspicious was found" in words
    assert "Every input became an utterance" in words


def test_warnings_come_first_and_the_gravest_of_them():
    found = faults("x")
    said = warnings(found)
    words = page_of(found).words
    places = [words.index(part) for part in ("Before you rely", *said, "How much there is", "What is shared")]
    assert places == sorted(places)
    starts = [
        "1 speaker is in both train and test",
        "1 session is in both",
        "1 recording is in both",
        "1 speaker is in both train and trials x",
        *("1 session is", "1 recording is"),
        *("2 trials of x compare", "3 same-speaker trials", "1 trial of x names"),
        *("1 recording belongs to several speakers (9", "1 recording is there more than once"),
        "6 of 10 speakers of test have one session only",
        "The splits are of different bandwidth: 56% of train, 0% of test",
        *("1 speaker has too few", "1 speaker is near-silent", "1 speaker is of mixed bandwidth"),
        *("5 utterances are near-silent", "5 utterances are clipped"),
        *("5 utterances are narrow-band", "5 utterances are mostly silence"),
        "4 of 1,238 inputs were rejected",
    ]
    assert len(said) == len(starts)
    for warning, start in zip(said, starts, strict=True):
        assert warning.startswith(start)


def test_unknown_measures_are_said_and_shown():
    unmeasured = group(measures=dict.fromkeys(MEASURES, UNKNOWN), speech_hours=None)
    found = findings(total=unmeasured, groups=[unmeasured], distributions={}, shared=[])
    assert "snr_db of 10 utterances" in warnings(found)[-1]
    page = page_of(found)
    assert "img" not in page.tags
    assert page.words.count("Known of no utterance") == len(MEASURES)
    assert "None" not in page.words
    assert "nan" not in page.words
    assert "There is one split and no trial list" in page.words


def test_numbers_names_and_facts_appear():
    words = page_of(faults("some name"), store="s3://bucket/store").words
    for text in (
        *("1,234", "2.50", "1.25", "train: some name", "and 8 more", "some name: 2 utterances"),
        *("near-silent 50 %, narrow-band —", "why clipped", "s3://bucket/store", "Same session targets"),
    ):
        assert text in words
    assert page_of(findings()).tags.count("img") == len(MEASURES)


def test_everything_is_escaped():
    attack = "<script>alert(1)</script>\" onload='x' &"
    page = page_of(faults(attack), **{attack: attack})
    assert "script" not in page.tags
    assert not any(name.startswith("on") for name, _ in page.attributes)
    assert page.text.count(attack) > 20


def test_page_is_self_contained():
    found = faults("x")
    text = inspection_page({**found, "warnings": warnings(found)}, facts={})
    for outside in ("http:", "https:", "url(", "@import"):
        assert outside not in text
    page = Page(text)
    assert not {"script", "link", "iframe"} & set(page.tags)
    sources = [value for name, value in page.attributes if name in ("src", "href", "srcset", "action")]
    assert len(sources) == len(MEASURES)
    assert all(str(source).startswith("data:image/png;base64,") for source in sources)


def test_plot_draws_shares_of_each_split():
    figure = distribution_plot([0.0, 1.0, 3.0], {"train": [3, 1], "test": [0, 2]}, label="Length (s)")
    [axes] = figure.axes
    outlines = [patch.get_data() for patch in axes.patches][1::2]
    np.testing.assert_allclose(outlines[0].values, [75.0, 25.0])
    np.testing.assert_allclose(outlines[1].values, [0.0, 100.0])
    assert list(outlines[0].edges) == [0.0, 1.0, 3.0]
    assert axes.get_xlabel() == "Length (s)"


@pytest.mark.parametrize(
    ("name", "value", "text"), [("clip_ratio", 0.00125, "0.125"), ("rms_dbfs", -3.0, "\N{MINUS SIGN}3.0")]
)
def test_values_are_shown_in_their_unit(name: str, value: float, text: str):
    assert MEASURES[name].text(value) == text
