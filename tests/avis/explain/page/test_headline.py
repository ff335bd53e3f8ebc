"""What stands on top."""

import math

import numpy as np
import pytest

from avis.explain.page.headline import headlines
from tests.avis.explain.page import records


def test_the_decision_is_worded_as_the_verdict_words_it() -> None:
    first = headlines(records.no_match_of_several(), "engineer")[0]
    assert first.figure == "Different speakers"
    assert first.line == (
        "The evidence is 56 times more likely if two people spoke (between 19 and 230). Rejected at your threshold "
        "of 1."
    )


def test_unsure_leaves_open_what_is_open() -> None:
    unsure = records.match().model_copy(update={"outcome": "unsure", "llr": 0.5, "llr_interval": (-1.0, 2.0)})
    first = headlines(unsure, "researcher")[0]
    assert first.figure == "Unsure"
    assert "(between 2.7 for two people and 7.4 for one), which leaves open" in first.line


@pytest.mark.parametrize("preset", ["engineer", "examiner"])
def test_a_probability_takes_a_prior(preset) -> None:
    assert "Probability of one person" not in {each.name for each in headlines(records.match(), preset)}
    given = records.match().model_copy(update={"prior": 0.5, "llr": math.log(99)})
    found = {each.name: each.figure for each in headlines(given, preset)}
    assert found["Probability of one person"] == "99.0 %"


def test_a_ratio_at_its_bound_is_capped() -> None:
    capped = records.match().model_copy(update={"llr": float(np.float32(7.6)), "llr_interval": (7.6, 7.6)})
    found = {each.name: each for each in headlines(capped, "engineer")}
    assert found["Log-likelihood ratio"].line == "+7.60 to +7.60 (95\xa0%), capped"
    assert "as strong as the calibration bears out" in found["Decision"].line


def test_speech_of_several_recordings_counts_together() -> None:
    found = {each.name: each.figure for each in headlines(records.no_match_of_several(), "engineer")}
    assert found["Speech"] == "28.8 and 9.9\xa0s"
    assert "Threshold" in found
    assert "Threshold" not in {each.name for each in headlines(records.match(), "examiner")}


def test_a_ratio_without_an_interval_is_still_told() -> None:
    bare = records.match().model_copy(update={"llr_interval": None})
    assert headlines(bare, "engineer")[0][1:] == (
        "Same speaker",
        "The evidence is 200 times more likely if one person spoke.",
    )
