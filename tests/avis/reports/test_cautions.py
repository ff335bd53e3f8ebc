"""Warnings appear when, and only when, their reason is there."""

from dataclasses import replace
from typing import Any

import pytest

from avis.metrics.figures import CALIBRATION_LOSS, CLLR, EER, FMR, FNMR, MIN_CLLR, Figure
from avis.metrics.intervals import Difference, Differences, Draws, Interval, Intervals
from avis.metrics.list_metrics import ListMetrics
from avis.metrics.summary import Summary, summarize
from avis.reports.cautions import cautions
from avis.reports.reading import reading, verdict

FIGURES = {
    FNMR: 0.02,
    FMR: 0.02,
    Figure("fnmr_at_fmr", "0.01"): 0.05,
    Figure("fnmr_at_fmr", "0.001"): 0.1,
    MIN_CLLR: 0.1,
    CLLR: 0.105,
    CALIBRATION_LOSS: 0.005,
}
DRAWS = Draws(confidence=0.95, num_draws=1000, num_empty=0, num_speakers=100)
SOUND = Summary(FIGURES, eer_threshold=0.3, reversed=False, num_target=5_000, num_nontarget=50_000)


def sound(draws: Draws | None = DRAWS, figures: dict[Figure, float] = FIGURES, **changes: Any) -> ListMetrics:
    """Metrics of a list that nothing is to be said against, but for the changes to its summary."""
    intervals = None if draws is None else Intervals({}, draws)
    note = "no interval: no speakers" if draws is None else None
    return ListMetrics(summary=replace(SOUND, figures=figures, **changes), intervals=intervals, intervals_note=note)


def test_a_sound_result_has_no_warning() -> None:
    assert cautions(sound(), {"duplicates": 0, "shared_speakers": 0}) == []


@pytest.mark.parametrize(
    ("metrics", "flagged", "words"),
    [
        (sound(reversed=True), {}, "sign of the scores"),
        (sound(), {"shared_speakers": 4}, "4 speakers of these trials were also trained on"),
        (sound(), {"duplicates": 1200}, "1,200 trials repeat another"),
        (sound(), {"self_trials": 2}, "2 trials compare an utterance with itself"),
        (sound(), {"same_audio": 2}, "2 trials compare the same recording under two ids"),
        (sound(), {"shared_audio": 3}, "3 utterances of these trials were trained on, sample by sample"),
        (sound(), {"contradictions": 1}, "1 pairs are called"),
        (sound(), {"wrong_answers": 3}, "3 trials have an answer that their speakers contradict"),
        (sound(), {"missing_ids": 5}, "5 trials were left out"),
        (sound(num_target=1_000), {}, "it rests on 20 misses and 1,000 false alarms"),
        (
            sound(num_nontarget=29_999),
            {},
            "false-alarm rate of 0.10\N{NO-BREAK SPACE}%: 29,999, but the rule of 30 asks for 30,000",
        ),
        (sound(None), {}, "no interval: no speakers"),
        (sound(figures=FIGURES | {EER: 0.49}), {}, "Not told from chance: 49.00"),
        (sound(DRAWS._replace(num_speakers=12)), {}, "Only 12 speakers"),
        (sound(DRAWS._replace(num_empty=7)), {}, "7 of 1,000 draws"),
        (sound(figures=FIGURES | {CLLR: 0.13, CALIBRATION_LOSS: 0.03}), {}, "Miscalibrated: of a Cllr of 0.130 bits"),
    ],
)
def test_each_reason_has_its_warning(metrics: ListMetrics, flagged: dict[str, int], words: str) -> None:
    [warning] = cautions(metrics, flagged)
    assert words in warning


def test_an_interval_tells_from_chance() -> None:
    def said(high: float) -> list[str]:
        metrics = replace(sound(figures=FIGURES | {EER: 0.4}), intervals=Intervals({EER: Interval(0.3, high)}, DRAWS))
        return [each for each in cautions(metrics, {}) if "chance" in each]

    assert said(0.49) == []
    assert len(said(0.51)) == 1


def test_equal_scores_are_not_told_from_chance() -> None:
    metrics = ListMetrics(summary=summarize([0.5] * 2000, [1, 0] * 1000))
    assert any("Not told from chance: 50.00" in each for each in cautions(metrics, {}))


def test_no_error_is_not_called_certain() -> None:
    summary = summarize([1.0] * 300 + [0.0] * 400, [1] * 300 + [0] * 400)
    metrics = ListMetrics(summary=summary, intervals=Intervals({EER: Interval(0.0, 0.0)}, DRAWS))
    [warning] = [each for each in cautions(metrics, {}) if "No error" in each]
    assert "up to 1.22\N{NO-BREAK SPACE}% of same-speaker trials and 0.92" in warning
    assert not any("may as well be" in sentence for sentence in reading(metrics))


@pytest.mark.parametrize(("eer", "words"), [(0.01, "about 1 trial in 100"), (0.0, "accepted."), (0.5, "accepted.")])
def test_equal_error_rate_in_words(eer: float, words: str) -> None:
    summary = summarize([1, 0], [1, 0])
    assert words in reading(ListMetrics(summary=replace(summary, figures=summary.figures | {EER: eer})))[0]


def test_tied_scores_leave_no_threshold_of_equal_errors() -> None:
    # All tied, so that a threshold accepts every trial or none; and 1 of 4 targets below 1 of 4 non-targets, untied.
    tied = ListMetrics(summary=summarize([0.5] * 8, [1, 1, 1, 1, 0, 0, 0, 0]))
    sentence = reading(tied)[0].replace("\N{NO-BREAK SPACE}", " ")
    assert sentence.startswith(
        "At a score of 0.5 0.00 % of same-speaker trials are rejected and 100.00 % of different-"
    )
    assert "equal error rate, 50.00 %, is interpolated" in sentence
    untied = ListMetrics(summary=summarize([3, 2, 1, -0.5, 0.5, -1, -2, -3], [1, 1, 1, 1, 0, 0, 0, 0]))
    assert "At a score of 0.5 both kinds of error are equally frequent" in reading(untied)[0]


@pytest.mark.parametrize(
    ("difference", "p_value", "words"),
    [
        (-0.01, 0.01, "1.00 points lower than that of the baseline, more than chance explains"),
        (0.01, 0.4, "1.00 points higher than that of the baseline, which may be chance"),
        (0.01, None, "whether that is chance is not known"),
        (0.0, 1.0, "The equal error rate is that of the baseline."),
        (0.01, 0.0005, "p below 0.001"),
    ],
)
def test_the_verdict(difference: float, p_value: float | None, words: str) -> None:
    interval = None if p_value is None else Interval(difference - 0.005, difference + 0.005)
    differences = Differences({EER: Difference(difference, interval, p_value)}, p_value and DRAWS)
    assert words in verdict(differences).replace("\N{NO-BREAK SPACE}", " ")
