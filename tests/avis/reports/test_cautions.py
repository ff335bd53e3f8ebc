"""Warnings appear when, and only when, their reason is there."""

import pytest

from avis.metrics.summary import summarize
from avis.reports.cautions import cautions
from avis.reports.reading import reading, verdict

SOUND = {
    "reversed": False,
    "fnmr": 0.02,
    "fmr": 0.02,
    "num_target": 5_000,
    "num_nontarget": 50_000,
    "fnmr_at_fmr": {"0.01": 0.05, "0.001": 0.1},
    "min_cllr": 0.1,
    "cllr": 0.105,
    "calibration_loss": 0.005,
    "intervals": {"figures": {}, "num_speakers": 100, "num_draws": 1000, "num_empty": 0, "confidence": 0.95},
}


def test_a_sound_result_has_no_warning() -> None:
    assert cautions(SOUND, {"duplicates": 0, "shared_speakers": 0}) == []


@pytest.mark.parametrize(
    ("change", "flagged", "words"),
    [
        ({"reversed": True}, {}, "sign of the scores"),
        ({}, {"shared_speakers": 4}, "4 speakers of these trials were also trained on"),
        ({}, {"duplicates": 1200}, "1,200 trials repeat another"),
        ({}, {"self_trials": 2}, "2 trials compare an utterance with itself"),
        ({}, {"contradictions": 1}, "1 pairs are called"),
        ({}, {"wrong_answers": 3}, "3 trials have an answer that their speakers contradict"),
        ({}, {"missing_ids": 5}, "5 trials were left out"),
        ({"num_target": 1_000}, {}, "it rests on 20 misses and 1,000 false alarms"),
        (
            {"num_nontarget": 29_999},
            {},
            "false-alarm rate of 0.10\N{NO-BREAK SPACE}%: 29,999, but the rule of 30 asks for 30,000",
        ),
        ({"intervals": None, "intervals_note": "no interval: no speakers"}, {}, "no interval: no speakers"),
        ({"intervals": {**SOUND["intervals"], "num_speakers": 12}}, {}, "Only 12 speakers"),
        ({"intervals": {**SOUND["intervals"], "num_empty": 7}}, {}, "7 of 1,000 draws"),
        ({"cllr": 0.13, "calibration_loss": 0.03}, {}, "Miscalibrated: of a Cllr of 0.130 bits, 0.030"),
    ],
)
def test_each_reason_has_its_warning(change: dict, flagged: dict, words: str) -> None:
    [said] = cautions({**SOUND, **change}, flagged)
    assert words in said


def test_no_error_is_not_called_certain() -> None:
    metrics = {**SOUND, **summarize([1.0] * 300 + [0.0] * 400, [1] * 300 + [0] * 400), "calibration_loss": 0.0}
    metrics["intervals"] = {**SOUND["intervals"], "figures": {"eer": [0.0, 0.0]}}
    [said] = [each for each in cautions(metrics, {}) if "No error" in each]
    assert "up to 1.22\N{NO-BREAK SPACE}% of same-speaker trials and 0.92" in said
    assert not any("may as well be" in sentence for sentence in reading(metrics))


@pytest.mark.parametrize(("eer", "words"), [(0.01, "about 1 trial in 100"), (0.0, "accepted."), (0.5, "accepted.")])
def test_equal_error_rate_in_words(eer: float, words: str) -> None:
    assert words in reading({**summarize([1, 0], [1, 0]), "eer": eer})[0]


def test_tied_scores_leave_no_threshold_of_equal_errors() -> None:
    # All tied, so that a threshold accepts every trial or none; and 1 of 4 targets below 1 of 4 non-targets, untied.
    said = reading(summarize([0.5] * 8, [1, 1, 1, 1, 0, 0, 0, 0]))[0].replace("\N{NO-BREAK SPACE}", " ")
    assert said.startswith("At a score of 0.5 0.00 % of same-speaker trials are rejected and 100.00 % of different-")
    assert "equal error rate, 50.00 %, is interpolated" in said
    untied = summarize([3, 2, 1, -0.5, 0.5, -1, -2, -3], [1, 1, 1, 1, 0, 0, 0, 0])
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
    interval = None if p_value is None else [difference - 0.005, difference + 0.005]
    figures = {"eer": {"difference": difference, "interval": interval, "p_value": p_value}}
    found = {"differences": {"figures": figures, "confidence": 0.95}}
    assert words in verdict(found).replace("\N{NO-BREAK SPACE}", " ")
