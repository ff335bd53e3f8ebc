"""The page of an inspection: warnings first, complete, escaped, and nothing outside the file."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from avis.reports.distribution_plot import distribution_plot
from avis.reports.inspection import MEASURES, RULES, inspection_page
from avis.reports.inspection_warnings import warnings
from avis.reports.store_findings import (
    Amounts,
    Copies,
    Duplicates,
    Findings,
    Group,
    Histogram,
    InCommon,
    Overlap,
    RejectedInput,
    Rejects,
    Repeats,
    SpeakerShares,
    Summary,
    SuspiciousSpeakers,
    SuspiciousUtterances,
    TrialCounts,
)

SUMMARY = Summary(known=9, missing=0, mean=0.5, min=0.0, p05=0.1, median=0.4, p95=0.9, max=1.0)
UNKNOWN = Summary(0, 10, *[None] * 6)
NONE = InCommon(0, [])


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


SPEAKER_RULES, UTTERANCE_RULES = list(RULES)[:3], list(RULES)[3:]
USUAL = Amounts(
    utterances=1234,
    speakers=10,
    without_speaker=0,
    sessions=30,
    single_session_speakers=0,
    hours=2.5,
    speech_hours=1.25,
    measures=dict.fromkeys(MEASURES, SUMMARY),
)
CLEAN = Findings(
    total=USUAL,
    groups=[Group("train", None, USUAL), Group("test", None, USUAL)],
    distributions=dict.fromkeys(MEASURES, Histogram([0, 1, 2], {"train": [3, 1], "test": [0, 4]})),
    rejects=[],
    duplicates=Duplicates(Repeats(0, 0, []), Repeats(0, 0, [])),
    shared=[Overlap(["train", "test"], NONE, NONE, NONE)],
    trials={},
    suspicious_utterances=[SuspiciousUtterances(rule, "", {"train": 0, "test": 0}, []) for rule in UTTERANCE_RULES],
    suspicious_speakers=[SuspiciousSpeakers(rule, "", 0, []) for rule in SPEAKER_RULES],
)
"""Findings in a collection that nothing is wrong with."""


def page_of(findings: Findings, **facts: str) -> Page:
    return Page(inspection_page(findings, facts=facts))


def faults(name: str) -> Findings:
    """Return the findings where everything is wrong, all names being this one."""
    shared, copies = InCommon(1, [name]), Repeats(1, 9, [Copies(9, [name], ["train"])])
    counts = {"trials": 7, "targets": 4, "nontargets": 3, "missing": 1, "utterances": 5, "speakers": 4}
    counts |= {"same_audio": 2, "same_session_targets": 3}
    pairs = [["train", "test"], ["train", f"trials {name}"]]
    speaker = SpeakerShares(name, utterances=2, quiet=0.5, narrow_band=None)
    return replace(
        CLEAN,
        groups=[
            Group("train", None, USUAL),
            Group("train", name, replace(USUAL, speech_hours=None)),
            Group("test", None, replace(USUAL, single_session_speakers=6)),
        ],
        rejects=[Rejects("silent", 4, [RejectedInput(name, name)])],
        duplicates=Duplicates(copies, copies),
        shared=[Overlap(pair, shared, shared, shared) for pair in pairs],
        trials={name: TrialCounts(**counts)},
        suspicious_utterances=[
            SuspiciousUtterances(rule, f"why {rule}", {"train": 5, "test": 0}, [name]) for rule in UTTERANCE_RULES
        ],
        suspicious_speakers=[SuspiciousSpeakers(rule, f"why {rule}", 1, [speaker]) for rule in SPEAKER_RULES],
    )


@pytest.mark.slow
def test_clean_collections_have_no_warnings():
    assert warnings(CLEAN) == []
    words = page_of(CLEAN).words
    assert "Nothing suspicious was found" in words
    assert "Every input became an utterance" in words


@pytest.mark.slow
def test_warnings_come_first_and_the_gravest_of_them():
    listed = warnings(faults("x"))
    words = page_of(faults("x")).words
    places = [words.index(part) for part in ("Before you rely", *listed, "How much there is", "What is shared")]
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
    assert len(listed) == len(starts)
    for warning, start in zip(listed, starts, strict=True):
        assert warning.startswith(start)


def test_unknown_measures_are_named_and_shown():
    unmeasured = replace(USUAL, measures=dict.fromkeys(MEASURES, UNKNOWN), speech_hours=None)
    findings = replace(CLEAN, total=unmeasured, groups=[Group("train", None, unmeasured)], distributions={}, shared=[])
    assert "snr_db of 10 utterances" in warnings(findings)[-1]
    page = page_of(findings)
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
    assert page_of(CLEAN).tags.count("img") == len(MEASURES)


def test_everything_is_escaped():
    attack = "<script>alert(1)</script>\" onload='x' &"
    page = page_of(faults(attack), **{attack: attack})
    assert "script" not in page.tags
    assert not any(name.startswith("on") for name, _ in page.attributes)
    assert page.text.count(attack) > 20


def test_page_is_self_contained():
    text = inspection_page(faults("x"), facts={})
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
