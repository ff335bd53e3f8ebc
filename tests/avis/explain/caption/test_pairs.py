"""Pairs to learn from: half of one speaker, all speakers as often, and as true as the explanation of the recordings."""

import dataclasses

import numpy as np
import pytest

from avis.acoustics.measure import ATTRIBUTES, measure
from avis.acoustics.population import Population
from avis.explain.caption.captioner import true_text
from avis.explain.caption.pairs import Recorded, draw_others, draw_pairs, embeddings, truth_of
from avis.explain.explain import explain
from avis.verifier import Verifier
from avis.verifier.voices import Voices
from tests.avis.conftest import RATE

SPEAKERS = ["a"] * 5 + ["b"] * 2 + ["c"] + ["d"] * 3


def test_pairs_are_in_turn_of_one_speaker_and_of_two():
    pairs = draw_pairs(SPEAKERS, 4000, np.random.default_rng(0))
    names = np.array(SPEAKERS)[pairs]
    assert (names[::2, 0] == names[::2, 1]).all()
    assert (names[1::2, 0] != names[1::2, 1]).all()
    assert (pairs[:, 0] != pairs[:, 1]).all()
    own, others = (
        dict(zip(*np.unique(each, return_counts=True), strict=True)) for each in (names[::2, 0], names[1::2])
    )
    assert own.keys() == {"a", "b", "d"}
    assert max(own.values()) < 1.2 * min(own.values()), "speakers, not recordings, are drawn"
    assert max(others.values()) < 1.2 * min(others.values())
    assert np.array_equal(pairs, draw_pairs(SPEAKERS, 4000, np.random.default_rng(0)))


@pytest.mark.parametrize("speakers", [[], ["a", "a"], ["a", "b", "c"]])
def test_too_few_speakers_are_told(speakers):
    with pytest.raises(ValueError, match=r"speakers to pair: got \d"):
        draw_pairs(speakers, 4, np.random.default_rng(0))


def test_another_enrolment_is_of_another_speaker():
    places = np.arange(len(SPEAKERS))
    names = np.array(SPEAKERS)
    assert (names[draw_others(SPEAKERS, places, np.random.default_rng(0))] != names).all()


def melody(seed: int) -> np.ndarray:
    """Harmonics of a pitch that rises and falls, in syllables: float32 ``[samples]``."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(3 * RATE) / RATE
    phase = 2 * np.pi * rng.uniform(90, 250) * (time_s + 0.02 * np.sin(2 * np.pi * time_s))
    voice = sum(np.sin(k * phase) / k for k in range(1, 16))
    syllables = np.sin(2 * np.pi * rng.uniform(2, 4) * time_s).clip(0)
    return np.asarray(0.1 * syllables * voice + 0.001 * rng.normal(size=len(time_s)), np.float32)


@pytest.mark.slow
def test_what_is_true_of_what_was_embedded_and_measured_once_is_true_of_the_recordings(parts):
    talks = [melody(seed) for seed in range(6)]
    verifier = Verifier(parts)
    measures = [measure(each, sample_rate=RATE) for each in talks]
    values = np.array([[measured[name] or np.nan for name in ATTRIBUTES] for measured in measures])
    population = Population.of(
        np.repeat(values, 2, axis=0) * np.tile([[1.0], [1.01]], (6, 1)), np.repeat(np.arange(6), 2)
    )
    found = np.stack([verifier.embed((each, RATE)).embedding for each in talks])
    voices = Voices(names=np.array([*"abcdef"]), embeddings=found, acoustics=population)
    verifier = Verifier(dataclasses.replace(parts, voices=voices))
    recorded = [
        Recorded(speaker=str(seed), voiceprint=verifier.embed((each, RATE)), acoustics=measured)
        for seed, (each, measured) in enumerate(zip(talks, measures, strict=True))
    ]
    truth = truth_of(verifier, recorded[0], recorded[1])
    assert truth == true_text(explain(verifier, (talks[0], RATE), (talks[1], RATE)))
    assert "Median pitch among voices: " in truth
    np.testing.assert_array_equal(embeddings(recorded, np.array([[0, 1], [5, 2]])), found[[[0, 1], [5, 2]]])
