"""A captioner of made-up pairs, taught in a second or two: one value tells who speaks, another how high."""

import itertools

import numpy as np
import pytest

from avis.explain.caption.training import Lesson
from avis.explain.faithfulness.statistics import Mean

DIM = 4
SMALL = {"width": 32, "layers": 1, "prefix": 2}
THIRDS = {-1.0: "lower", 1.0: "upper"}


def text_of(enroll, test):
    """Return what is true of a pair: one speaker where the first values are alike, pitch by the second values."""
    who = "one speaker" if enroll[0] == test[0] else "two speakers"
    return (
        f"The evidence speaks for {who}. Median pitch among voices: {THIRDS[enroll[1]]} third in the enrolment, "
        f"{THIRDS[test[1]]} third in the test."
    )


@pytest.fixture(scope="session")
def made_up():
    """Return all pairs of four voices, and what is true of them."""
    voices = np.array([[*voice, 0.5, -0.5] for voice in itertools.product((-1.0, 1.0), repeat=2)], np.float32)
    pairs = np.array([*itertools.product(voices, repeat=2)])
    return pairs, [text_of(*pair) for pair in pairs]


@pytest.fixture(scope="session")
def lesson(made_up):
    """Return what teaches that, before its first step."""
    return lambda seed, num_steps=150: Lesson(*made_up, num_steps=num_steps, seed=seed, **SMALL)


@pytest.fixture(scope="session")
def taught(lesson):
    """Return the captioner that knows them, as if it had been scored."""
    made = lesson(0)
    for _ in made.steps():
        pass
    half = Mean(value=0.5, interval=(0.25, 0.75), num_trials=8)
    made.captioner.scores.update({"precision": half, "precision of the most frequent": half})
    return made.captioner
