"""A guess is told with how sure it is, is unclear down to chance, and moves nothing."""

import dataclasses

import numpy as np
import pytest
from scipy.special import expit

from avis.explain import explain
from avis.verifier import Verifier
from avis.verifier.attributes.head import Head
from avis.verifier.attributes.kept import Heads
from tests.avis.conftest import RATE, talk


def head(dim: int, slopes: list[float], away: np.ndarray) -> Head:
    """Return one whose logits of two classes are what an embedding has in a direction."""
    weights = np.vstack([-away, away]) / 2
    return Head(
        attribute="gender",
        classes=np.array(["f", "m"]),
        num_speakers=np.array([20, 30]),
        weights=weights,
        offsets=np.zeros(2),
        calibrations=np.column_stack([slopes, np.zeros(len(slopes))]),
        accuracy=0.91,
        accuracy_interval=(0.84, 0.95),
    )


@pytest.fixture
def sides(parts):
    return [Verifier(parts).embed((talk(seed), RATE)) for seed in (1, 2)]


def told(parts, sides, slopes, *, checks=False):
    away = sides[1].embedding / np.sum(sides[1].embedding ** 2)
    kept = Heads(heads=(head(len(away), slopes, away.astype(np.float64)),))
    return explain(Verifier(dataclasses.replace(parts, attributes=kept)), *sides, checks=checks), away


def test_both_sides_are_guessed_by_their_embeddings(parts, sides):
    explanation, away = told(parts, sides, [1.0, 2.0, 3.0])
    enroll, test = explanation.guesses
    assert (enroll.side, test.side, test.attribute, test.value) == ("enroll", "test", "gender", "m")
    assert test.probability == pytest.approx(expit(2.0), abs=1e-6)
    assert test.interval == pytest.approx(np.percentile(expit([1.0, 2.0, 3.0]), [2.5, 97.5]), abs=1e-6)
    assert enroll.value == ("m" if sides[0].embedding @ away > 0 else "f")
    assert (test.accuracy, test.accuracy_interval, test.chance) == (0.91, (0.84, 0.95), 0.5)


def test_what_may_be_chance_is_unclear(parts, sides):
    for guess in told(parts, sides, [-0.5, 2.0, 3.0])[0].guesses:
        assert guess.value is guess.probability is guess.interval is None
        assert guess.accuracy == 0.91


def test_a_guess_is_in_no_score(parts, sides):
    with_guesses = told(parts, sides, [1.0, 2.0], checks=True)[0]
    without = explain(Verifier(parts), *sides)
    assert with_guesses.guesses
    assert with_guesses.model_copy(update={"guesses": []}) == without


def test_where_nobody_is_heard_nothing_is_guessed(parts, sides):
    silence = Verifier(parts).embed((np.zeros(RATE, np.float32), RATE))
    assert told(parts, [silence, sides[1]], [1.0])[0].guesses == []
