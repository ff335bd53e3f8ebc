"""What explanations say on average: fifths of recordings, bands and changes, by kind of trial."""

import numpy as np
import pytest

from avis.explain.corpus.averages import Averages
from avis.explain.record import Band, Counterfactual, Explanation, Frames


def explanation(scale: float = 1.0, **others) -> Explanation:
    """Of an enrolment of ten steps of a second, and of a test of one."""
    steps = [Frames(side="enroll", start_s=list(range(11)), llr=[scale * step for step in range(10)])]
    steps.append(Frames(side="test", start_s=[2.0, 4.0], llr=[7.0]))
    told = {"model": "m", "outcome": "unsure", "threshold": 0.0, "unit": "llr", "llr": 1.0, "sides": []}
    return Explanation(**told, frames=steps, **others)


def test_steps_count_in_the_fifth_in_which_they_lie():
    averages = Averages()
    averages.add(explanation(), target=True, speakers=(0, 0))
    segments = averages.means()["segments"]
    fifths = [segments[f"enrolment, {start} to {start + 20} %"]["target"].mean for start in range(0, 100, 20)]
    assert fifths == [0 + 1, 2 + 3, 4 + 5, 6 + 7, 8 + 9]
    assert [segments[f"test, {start} to {start + 20} %"]["target"].mean for start in (20, 40, 60)] == [0, 7, 0]


def test_recordings_of_a_side_count_together():
    told = explanation()
    again = told.model_copy(update={"frames": [*told.frames, told.frames[0].model_copy(update={"recording": 1})]})
    averages = Averages()
    averages.add(again, target=True, speakers=(0, 0))
    assert averages.means()["segments"]["enrolment, 80 to 100 %"]["target"].mean == 2 * (8 + 9)


def test_means_are_of_either_kind_of_trial_and_of_bands_and_changes():
    averages = Averages()
    for speaker in range(8):
        changes = [Counterfactual(change="at 8 kHz", llr=1.0 - speaker, outcome="unsure")]
        changes.append(Counterfactual(change="half of the speech", llr=None, outcome="not_heard"))
        bands = [Band(side="test", low_hz=0, high_hz=300, removed=0.5)]
        told = explanation(float(speaker), counterfactuals=changes, bands=bands)
        averages.add(told, target=speaker % 2 == 0, speakers=(speaker, speaker))
    means = averages.means()
    of_change = means["conditions"]["at 8 kHz"]
    assert (of_change["target"].mean, of_change["nontarget"].mean) == (-3.0, -4.0)
    assert means["conditions"].keys() == {"at 8 kHz"}
    assert means["bands"] == {
        "test, 0 to 300 Hz": {"target": (0.5, None, None, 4, 4), "nontarget": (0.5, None, None, 4, 4)}
    }


def test_an_interval_is_stated_of_so_many_speakers():
    values = np.random.default_rng(0).normal(size=6)
    averages = Averages()
    for speaker, value in enumerate(values):
        changed = Counterfactual(change="at 8 kHz", llr=1.0 + value, outcome="unsure")
        averages.add(explanation(counterfactuals=[changed]), target=True, speakers=(speaker, speaker))
    mean = averages.means()["conditions"]["at 8 kHz"]["target"]
    reach = 2.5706 * values.std(ddof=1) / np.sqrt(6)  # Student's t of 5 degrees of freedom
    assert (mean.mean, mean.low, mean.high) == pytest.approx(
        (values.mean(), values.mean() - reach, values.mean() + reach), rel=1e-4
    )
