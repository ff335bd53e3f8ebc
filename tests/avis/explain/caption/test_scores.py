"""What a captioner is worth: shares of statements, held against values made by hand."""

import numpy as np
import pytest

from avis.explain.caption.scores import Held, most_frequent, scores
from avis.explain.text.reread.statements import Statement
from avis.metrics.bootstrap import Resampling

ONE, TWO = "The evidence speaks for one speaker.", "The evidence speaks for two speakers."
PITCH = "Median pitch among voices: {} third in the enrolment, {} third in the test, {}."
BY_CHANCE = Resampling(200, 0.95, 0)


class Saying:
    """Says the texts that it was given, by the number that is all of an embedding."""

    def __init__(self, *texts):
        self.texts = texts

    def say(self, pairs):
        return [self.texts[int(pair[0, 0])] for pair in pairs]


def held(truth, swapped_truth, *, said=0, swapped=1, speakers=("a", "b")):
    pair, other = (np.full((2, 1), each, np.float32) for each in (said, swapped))
    return Held(*speakers, pair, other, truth, swapped_truth)


def test_shares_of_one_pair():
    truth = f"{ONE} {PITCH.format('upper', 'upper', 'alike in both')}"
    after = f"{TWO} {PITCH.format('lower', 'upper', 'higher in the test')}"
    said = f"{ONE} {PITCH.format('upper', 'lower', 'higher in the enrolment')}"
    then = f"{TWO} {PITCH.format('lower', 'lower', 'alike in both')}"
    found = scores(Saying(said, then), [held(truth, after)], [TWO, TWO, ONE], BY_CHANCE)
    value = {name: mean.value for name, mean in found.items()}
    assert value["precision"] == value["recall"] == pytest.approx(2 / 4)
    assert (value["direction"], value["thirds"], value["relations"]) == (1.0, 0.5, 0.0)
    assert value["precision of the most frequent"] == 0.0, "it always says two speakers"
    assert value["precision, more than the most frequent"] == 0.5
    assert value["followed"] == pytest.approx(2 / 3), "of direction, the enrolment's third and which is higher"
    assert value["kept"] == 1.0, "the third of the test was wrong before and after"
    assert found["verbal scale"].num_trials == 0, "none was true"


def test_saying_always_the_same_follows_nothing():
    found = scores(Saying(ONE, ONE), [held(ONE, TWO), held(ONE, ONE)], [ONE], BY_CHANCE)
    assert found["precision"].value == found["precision of the most frequent"].value == 1.0
    assert (found["followed"].value, found["followed"].num_trials) == (0.0, 1)
    assert (found["kept"].value, found["kept"].num_trials) == (1.0, 1)


def test_intervals_are_over_speakers():
    trials = [held(ONE, TWO, said=number % 2, speakers=(str(number), str(number))) for number in range(8)]
    found = scores(Saying(ONE, TWO), trials, [ONE], BY_CHANCE)
    low, high = found["direction"].interval
    assert found["direction"].value == 0.5
    assert low < 0.4 < 0.6 < high
    assert found["direction of the most frequent"].interval == (1.0, 1.0)


def test_what_is_said_most_often_is_told_slot_by_slot():
    texts = [ONE, TWO, TWO, PITCH.format("upper", "lower", "alike in both")]
    assert most_frequent(texts) == {
        Statement("direction", "two speakers"),
        Statement("median pitch of the enrolment", "upper"),
        Statement("median pitch of the test", "lower"),
        Statement("median pitch of both", "alike"),
    }
