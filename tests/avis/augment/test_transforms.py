"""What every transform of a waveform promises, whichever it is."""

import pickle

import numpy as np
import pytest
from scipy.signal import correlate

from avis.augment.babble import Babble
from avis.augment.bank import Bank
from avis.augment.channel import Channel
from avis.augment.noise import Noise
from avis.augment.reverb import Reverb
from avis.augment.synthetic_noise import synthetic_noise_bank
from avis.augment.synthetic_rooms import synthetic_room_bank

RATE = 16000
CHANNEL = {
    "probability": 1.0,
    "sample_rate": RATE,
    "max_gain_db": 6.0,
    "band_limit_probability": 0.5,
    "min_low_cut_hz": 50.0,
    "max_low_cut_hz": 300.0,
    "min_high_cut_hz": 3400.0,
    "max_high_cut_hz": 8000.0,
}
TRANSFORMS = {
    "noise": Noise(probability=1.0, min_snr_db=0.0, max_snr_db=15.0),
    "babble": Babble(probability=1.0, min_snr_db=5.0, max_snr_db=20.0, min_voices=3, max_voices=8),
    "reverb": Reverb(probability=1.0),
    "channel": Channel(**CHANNEL),
}


def talk(seed, num_samples=RATE):
    """Noise in bursts, with silence between: the envelope of speech."""
    rng = np.random.default_rng(seed)
    bursts = np.repeat(rng.random(-(-num_samples // 1600)) > 0.4, 1600)[:num_samples]
    bursts[:1600] = True
    return (0.1 * rng.standard_normal(num_samples) * bursts).astype(np.float32)


@pytest.fixture(scope="module")
def banks():
    return {
        "noise": synthetic_noise_bank(sample_rate=RATE, num=4, duration_s=2.0, seed=0),
        "rir": synthetic_room_bank(
            sample_rate=RATE,
            num=4,
            min_t60_s=0.15,
            max_t60_s=0.8,
            min_distance_m=0.3,
            max_distance_m=2.0,
            seed=0,
        ),
        "speech": Bank.from_recordings([talk(seed, 3 * RATE) for seed in range(10, 16)]),
    }


@pytest.fixture(params=TRANSFORMS)
def apply(request, banks):
    transform = TRANSFORMS[request.param]

    def run(waveform, seed):
        rng = np.random.default_rng(seed)
        return transform(waveform, rng, banks[transform.bank]) if transform.bank else transform(waveform, rng)

    return run


@pytest.mark.parametrize("num_samples", [1, 100, 3201, 2 * RATE])
def test_length_and_type_are_kept(apply, num_samples):
    result = apply(talk(0, num_samples), 0)
    assert result.dtype == np.float32
    assert result.shape == (num_samples,)
    assert np.isfinite(result).all()


def test_silence_gives_finite_values(apply):
    with np.errstate(all="raise", under="ignore"):
        for seed in range(5):
            assert np.isfinite(apply(np.zeros(RATE, np.float32), seed)).all()


def test_nearly_silent_and_loud_input_gives_finite_values(apply):
    for scale in (1e-20, 1e-6, 1e4):
        assert np.isfinite(apply(talk(0) * np.float32(scale), 1)).all()


def test_the_generator_decides_bit_by_bit(apply):
    waveform = talk(0)
    assert np.array_equal(apply(waveform, 7), apply(waveform, 7))
    assert not np.array_equal(apply(waveform, 7), apply(waveform, 8))


def test_the_input_stays_as_it_was(apply):
    waveform = talk(0)
    waveform.flags.writeable = False
    before = waveform.copy()
    apply(waveform, 0)
    assert np.array_equal(waveform, before)


def test_alignment_is_kept(apply):
    waveform = talk(0)
    for seed in range(8):
        result = apply(waveform, seed)
        correlation = correlate(result, waveform, mode="full")
        assert np.argmax(np.abs(correlation)) == len(waveform) - 1


@pytest.mark.parametrize("name", ["reverb", "channel"])
def test_filters_keep_the_root_mean_square(name, banks):
    transform, waveform = TRANSFORMS[name], talk(0)
    for seed in range(8):
        arguments = [banks[transform.bank]] if transform.bank else []
        result = transform(waveform, np.random.default_rng(seed), *arguments)
        assert np.sqrt(np.mean(result**2)) == pytest.approx(np.sqrt(np.mean(waveform**2)), rel=1e-4)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_pickles(name):
    again = pickle.loads(pickle.dumps(TRANSFORMS[name]))
    assert vars(again) == vars(TRANSFORMS[name])
