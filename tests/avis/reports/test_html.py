"""The page of an evaluation: complete, self-contained, escaped, and at ease with what is missing."""

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from avis.metrics.bootstrap import Resampling, paired_difference, speaker_intervals
from avis.metrics.equalised import ACT, MIN, EqualisedCosts
from avis.metrics.error_curve import error_curve
from avis.metrics.figures import CLLR, Figure, FigureSet
from avis.metrics.intervals import Draws, Interval, Intervals
from avis.metrics.list_metrics import Baseline, ListMetrics
from avis.metrics.subgroups import GARBE, Subgroups, subgroups
from avis.metrics.summary import summarize
from avis.metrics.trials import Trials
from avis.reports.drawing import png
from avis.reports.figure_rows import figure_rows
from avis.reports.html import PICTURES, PNG_SIGNATURE, data_uri, report_page
from avis.reports.page import ListReport, Report
from avis.reports.score_plots import tippett_plot
from avis.reports.wording import NBSP
from avis.reports.worst_trials import Trial

PICTURE = PNG_SIGNATURE + b"rest"
PLAIN = summarize([2, 1, 0, 1.5, 0.5, -1, -2, -3], [1, 1, 1, 0, 0, 0, 0, 0])
FIGURE_SET = FigureSet()
RESAMPLING = Resampling(num_draws=20, confidence=0.9, seed=0)


class Page(HTMLParser):
    """Collects the tags, attributes and text of a page, and checks that its tags are closed in order."""

    VOID = ("meta", "img", "link", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.text = ""
        self.parts: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []
        self.words = re.sub(r"\s+", " ", " ".join(self.parts).replace(NBSP, " "))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        self.parts.append(data)


def some_trials(seed: int = 0) -> Trials:
    rng = np.random.default_rng(seed)
    speakers = np.repeat(np.arange(12), 4)
    enroll, test = np.triu_indices(48, k=1)
    target = speakers[enroll] == speakers[test]
    llr = rng.normal(np.where(target, 2, -2), 2.0)
    return Trials(llr / 10, target, llr, speakers[enroll], speakers[test])


def by_group(trials: Trials, groups: np.ndarray, threshold: float, min_trials: int = 1) -> Subgroups:
    return subgroups(
        trials,
        groups,
        threshold=threshold,
        min_trials=min_trials,
        figure_set=FIGURE_SET,
        resampling=RESAMPLING,
    )


def full_metrics() -> ListMetrics:
    trials, other = some_trials(), some_trials(1)
    summary = summarize(*trials[:3])
    gender = np.where(trials.enroll_speaker % 2, "female", "male")
    differences = paired_difference(trials, other, RESAMPLING, figure_set=FIGURE_SET)
    return ListMetrics(
        summary=summary,
        intervals=speaker_intervals(trials, RESAMPLING, figure_set=FIGURE_SET),
        subgroups={"gender": by_group(trials, gender, summary.eer_threshold)},
        baseline=Baseline("other", summarize(*other[:3]), differences),
    )


FULL = full_metrics()
TRIAL = Trial(7, "voices/a", "voices/b", "spk-a", None, 0.4321)


def full_page(**changes: object) -> str:
    report = ListReport(
        "vox1_o",
        FULL,
        pictures={"det": PICTURE, "histogram": PICTURE},
        false_accepts=[TRIAL],
        false_rejects=[TRIAL._replace(enroll=None, test=None)],
        facts={"Published list": "VoxCeleb1-O (cleaned) (the published list itself)"},
        flagged={"duplicates": 3, "self_trials": 0},
    )
    return report_page(Report("Evaluation", [report._replace(**changes)], {"checkpoint": "s3://bucket/last.ckpt"}))


def test_every_figure_appears_with_its_interval() -> None:
    words = Page(full_page()).words
    percents = {"eer", "eer_rocch", "fnmr", "fmr", "fnmr_at_fmr", "accuracy"}
    assert len(FULL.summary.figures) > 30
    for figure, value in FULL.summary.figures.items():
        low, high = FULL.intervals.figures[figure]
        if figure.name in percents:
            assert f"{100 * value:.2f} %" in words, figure
            assert f"{100 * low:.2f} to {100 * high:.2f} %" in words, figure
        else:
            assert f"{value:.4f}" in words, figure
            assert f"{low:.4f} to {high:.4f}" in words, figure


def test_the_headline_comes_first() -> None:
    words = Page(full_page()).words
    names = ["Equal error rate", "minDCF (0.01)", "actDCF (0.01)", "Cllr", "Before you rely on this"]
    places = [words.index(name) for name in names]
    assert places == sorted(places)
    assert "(90% interval)" in words


def test_groups_baseline_worst_trials_and_facts_appear() -> None:
    words = Page(full_page()).words
    group = FULL.subgroups["gender"].groups["female"]
    expected = [
        "Trials by gender",
        f"{group.misses.errors:,} ({100 * group.misses.rate:.2f} %)",
        f"{group.false_alarms.errors:,} ({100 * group.false_alarms.rate:.2f} %)",
        "few errors",
        "FDR",
        "Against the baseline",
        f"{FULL.baseline.differences.figures[CLLR].difference:+.4f}".replace("-", "\N{MINUS SIGN}"),
        "voices/a speaker spk-a",
        "0.4321",
        "VoxCeleb1-O (cleaned) (the published list itself)",
        "s3://bucket/last.ckpt",
    ]
    for text in expected:
        assert text in words


def test_groups_without_errors_have_the_interval_of_independent_trials() -> None:
    trials = some_trials()
    groups = np.where(trials.enroll_speaker % 2, "f", "m")
    found = by_group(trials, groups, -100.0)
    num = found.groups["f"].misses.trials
    words = Page(full_page(metrics=replace(FULL, subgroups={"g": found}))).words
    # Clopper and Pearson: no error among n trials leaves everything below 1 - (0.05) ** (1 / n) at 90 %.
    assert f"0 (0.00 %) 0.00 to {100 * (1 - 0.05 ** (1 / num)):.2f} %" in words


def test_fairness_is_stated_with_its_intervals_and_what_it_leaves_out() -> None:
    trials = some_trials()
    groups = np.array(["f", "m", "(unknown)"])[np.where(trials.enroll_speaker > 9, 2, trials.enroll_speaker % 2)]
    found = by_group(trials, groups, 0.0)
    low, high = found.fairness_intervals.figures[GARBE]
    words = Page(full_page(metrics=replace(FULL, subgroups={"g": found}))).words
    assert f"GARBE {found.fairness[GARBE]:.4f} [{low:.4f} to {high:.4f}] (0 is fair)" in words
    assert "Left out of it: (unknown) (nobody knows the value)." in words
    few = by_group(trials, groups, 0.0, min_trials=100)
    words = Page(full_page(metrics=replace(FULL, subgroups={"g": few}))).words
    assert "not stated: that takes two groups of known value with at least 100 trials of each kind." in words
    assert "m (fewer than 100 target or non-target trials)" in words


def test_equalised_costs_stand_below_the_pooled_ones() -> None:
    drawn = Intervals({MIN: Interval(0.1, 0.2), ACT: Interval(0.15, 0.3)}, Draws(0.95, 1000, 0, 40))
    costs = EqualisedCosts({MIN: 0.1234, ACT: 0.2345}, ("gender", "language"), 4, 17, drawn)
    words = Page(full_page(metrics=replace(FULL, dcf_equalised={"SRE16": costs}))).words
    assert "SRE16, equalised 0.1234 0.1000 to 0.2000 0.2345 0.1500 to 0.3000" in words
    assert "means over 4 parts of the list (gender, language), so that each counts alike; 17 trials" in words


def test_scores_and_answers_alone_make_a_page() -> None:
    plain = ListMetrics(summary=PLAIN, intervals_note="no interval: nobody knows who speaks")
    words = Page(report_page(Report("Evaluation", [ListReport("dev", plain)], {}))).words
    assert "33.33 %" in words
    assert "nobody knows who speaks" in words
    for absent in ("actDCF", "Calibration loss", "None", "nan", "Against the baseline", "taken for"):
        assert absent not in words


def test_trials_without_ids_are_named_by_their_row() -> None:
    unnamed = Trial(1234, None, None, None, None, 0.5)
    words = Page(full_page(false_accepts=[unnamed])).words
    assert "Row of the scores 0.5000 1,234" in words


def test_page_is_self_contained() -> None:
    text = full_page()
    page = Page(text)
    sources = [value for _, name, value in page.attributes if name in ("src", "href", "srcset", "action")]
    assert len(sources) == 2
    for source in sources:
        prefix, _, payload = str(source).partition(",")
        assert prefix == "data:image/png;base64"
        assert base64.b64decode(payload) == PICTURE
    assert not {"script", "link", "iframe"} & set(page.tags)
    for outside in ("http:", "https:", "url(", "@import"):
        assert outside not in text


def test_everything_is_escaped() -> None:
    attack = "<script>alert(1)</script>\" onload='x' &"
    trial = Trial(1, attack, attack, attack, attack, 0.0)
    gender = FULL.subgroups["gender"]
    groups = {attack: replace(gender, groups={attack: gender.groups["male"]})}
    figures = {figure: value for figure, value in FULL.summary.figures.items() if "protocol" not in figure.name}
    costs = {Figure("protocol_min_dcf", attack): 0.5, Figure("protocol_act_dcf", attack): 0.5}
    summary = replace(FULL.summary, figures=figures | costs)
    report = ListReport(
        attack,
        replace(FULL, summary=summary, subgroups=groups),
        pictures={"det": PICTURE},
        false_accepts=[trial],
        facts={attack: attack},
    )
    page = Page(report_page(Report(attack, [report], {attack: attack})))
    assert "script" not in page.tags
    assert not any(name.startswith("on") for _, name, _ in page.attributes)
    assert page.text.count(attack) == 15
    assert ("img", "alt", f"Detection error trade-off of {attack}") in page.attributes


def test_page_suits_phones_and_print() -> None:
    text = full_page()
    assert 'name="viewport" content="width=device-width' in text
    for condition in ("@media print", "max-width: 40rem"):
        assert condition in text


def test_every_kind_of_picture_is_shown_in_its_place() -> None:
    picture = png(tippett_plot(error_curve([1.0, -1.0], [True, False])))
    page = Page(full_page(pictures=dict.fromkeys(reversed(PICTURES), picture)))
    alts = [value for _, name, value in page.attributes if name == "alt"]
    assert alts == [f"{heading} of vox1_o" for heading, _ in PICTURES.values()]


def test_every_row_has_one_sentence() -> None:
    rows = figure_rows(FULL).values()
    assert len({row.name for row in rows}) == len(rows)
    for row in rows:
        assert row.meaning.endswith(".")
        assert ". " not in row.meaning


def test_pictures_must_be_png() -> None:
    with pytest.raises(ValueError, match="Plots are PNG files: got the bytes b'<svg/>'"):
        data_uri(b"<svg/>")


def test_warnings_of_the_scoring_come_before_all_others() -> None:
    words = Page(full_page(warnings=["Not calibrated <at all>."])).words
    assert "Before you rely on this Not calibrated <at all>. 3 trials repeat" in words
