import pickle
from collections import Counter

import numpy as np
import pytest

from avis.augment.babble import Babble
from avis.augment.bank import Bank
from avis.augment.chain import Augment, InOrder, OneOf
from avis.augment.noise import Noise
from avis.augment.reverb import Reverb
from avis.augment.transform import Transform


class Scale(Transform):
    """Multiply, so that the product of an output tells which steps were applied."""

    def __init__(self, probability, factor):
        self.probability = probability
        self.factor = factor

    def draw(self, rng, num_samples):
        return [self.factor]

    def apply(self, waveform, drawn):
        return waveform * np.float32(drawn[0])


ONE = np.ones(1, np.float32)


def outcomes(augment, num=4000):
    return Counter(float(augment(ONE, np.random.default_rng(seed), {})[0]) for seed in range(num))


def share(count, num=4000):
    return count / num


def test_steps_are_applied_by_themselves():
    counts = outcomes(Augment(steps=[Scale(0.5, 2), Scale(0.2, 3)]))
    assert set(counts) == {1, 2, 3, 6}
    assert share(counts[6]) == pytest.approx(0.1, abs=0.015)
    assert share(counts[1]) == pytest.approx(0.4, abs=0.025)


def test_one_of_applies_at_most_one():
    counts = outcomes(Augment(steps=[OneOf(choices=[Scale(0.1, 2), Scale(0.2, 3), Scale(0.3, 5)])]))
    assert set(counts) == {1, 2, 3, 5}
    assert share(counts[2]) == pytest.approx(0.1, abs=0.015)
    assert share(counts[3]) == pytest.approx(0.2, abs=0.02)
    assert share(counts[5]) == pytest.approx(0.3, abs=0.022)


def test_in_order_applies_all_or_none():
    both = InOrder(probability=0.3, transforms=[Scale(1.0, 3), Scale(0.0, 5)])
    counts = outcomes(Augment(steps=[OneOf(choices=[Scale(0.2, 2), both])]))
    assert set(counts) == {1, 2, 15}
    assert share(counts[15]) == pytest.approx(0.3, abs=0.022)
    assert set(outcomes(Augment(steps=[both]), num=200)) == {1, 15}
    room = InOrder(probability=1.0, transforms=[Reverb(probability=1.0), Scale(1.0, 2)])
    assert Augment(steps=[room]).required_banks == {"rir"}


def test_steps_keep_their_order():
    class Add(Scale):
        def apply(self, waveform, drawn):
            return waveform + np.float32(drawn[0])

    assert Augment(steps=[Scale(1.0, 2), Add(1.0, 1)])(ONE, np.random.default_rng(0), {}) == 3
    assert Augment(steps=[Add(1.0, 1), Scale(1.0, 2)])(ONE, np.random.default_rng(0), {}) == 4


def test_certain_and_impossible_steps():
    assert set(outcomes(Augment(steps=[Scale(1.0, 2), Scale(0.0, 3)]), num=200)) == {2}
    assert set(outcomes(Augment(steps=[]), num=10)) == {1}


@pytest.fixture
def wespeaker():
    """Six of ten examples get one of reverberation, noise and babble."""
    noise = Noise(probability=0.2, min_snr_db=0.0, max_snr_db=15.0)
    babble = Babble(probability=0.2, min_snr_db=13.0, max_snr_db=20.0, min_voices=3, max_voices=7)
    return Augment(steps=[OneOf(choices=[Reverb(probability=0.2), noise, babble])])


def test_each_step_gets_its_own_bank(wespeaker):
    rng = np.random.default_rng(0)
    banks = {name: Bank.from_recordings([rng.standard_normal(500).astype(np.float32)]) for name in ("noise", "speech")}
    banks["rir"] = Bank.from_recordings([np.array([1.0, 0.0, 0.5], np.float32)])
    waveform = rng.standard_normal(1000).astype(np.float32)
    assert wespeaker.required_banks == {"noise", "rir", "speech"}
    results = [wespeaker(waveform, np.random.default_rng(seed), banks) for seed in range(500)]
    changed = [not np.array_equal(result, waveform) for result in results]
    assert np.mean(changed) == pytest.approx(0.6, abs=0.07)
    again = pickle.loads(pickle.dumps(wespeaker))
    assert all(np.array_equal(again(waveform, np.random.default_rng(s), banks), results[s]) for s in range(20))


def test_a_missing_bank_is_named_before_it_is_needed(wespeaker):
    for seed in range(10):
        with pytest.raises(ValueError, match=r"Add \['noise', 'rir', 'speech'\]"):
            wespeaker(ONE, np.random.default_rng(seed), {})


@pytest.mark.parametrize("probabilities", [[-0.1], [1.1], [0.6, 0.6]])
def test_probabilities_are_shares(probabilities):
    with pytest.raises(ValueError, match="Probabilities"):
        OneOf(choices=[Scale(probability, 2) for probability in probabilities])


def test_thirds_add_up():
    assert set(outcomes(Augment(steps=[OneOf(choices=[Scale(p, 2) for p in (0.1, 0.2, 0.3, 0.4)])]), num=300)) == {2}
