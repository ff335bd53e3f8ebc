"""What every transform of a waveform promises, whichever it is."""

import pickle

import numpy as np
import pytest
import torch
from scipy.signal import correlate

from avis.augment.babble import Babble
from avis.augment.bank import Bank
from avis.augment.bank_on_device import BankOnDevice
from avis.augment.chain import Augment, OneOf
from avis.augment.channel import Channel
from avis.augment.clipping import Clipping
from avis.augment.codec import Codec
from avis.augment.downsample import Downsample
from avis.augment.drop_chunk import DropChunk
from avis.augment.drop_freq import DropFreq
from avis.augment.foreground_noise import ForegroundNoise
from avis.augment.gain import Gain
from avis.augment.noise import Noise
from avis.augment.packet_loss import PacketLoss
from avis.augment.pitch_shift import PitchShift
from avis.augment.reverb import Reverb
from avis.augment.rng import example_rng
from avis.augment.synthetic_noise import synthetic_noise_bank
from avis.augment.synthetic_rooms import synthetic_room_bank
from avis.augment.tempo import Tempo

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
ALWAYS = {"probability": 1.0}
RATED = ALWAYS | {"sample_rate": RATE}
SNR = {"min_snr_db": 0.0, "max_snr_db": 15.0}
PACKETS = RATED | {"min_packet_ms": 10.0, "max_packet_ms": 40.0, "min_lost_share": 0.05, "max_lost_share": 0.2}
CHUNKS = RATED | {"min_chunk_ms": 60.0, "max_chunk_ms": 125.0}
TRANSFORMS = {
    "noise": Noise(**ALWAYS, **SNR),
    "music": Noise(**ALWAYS, **SNR, bank="music"),
    "foreground": ForegroundNoise(**RATED, **SNR, interval_s=0.2),
    "babble": Babble(**ALWAYS, min_snr_db=5.0, max_snr_db=20.0, min_voices=3, max_voices=8),
    "reverb": Reverb(probability=1.0),
    "channel": Channel(**CHANNEL),
    "gain": Gain(**ALWAYS, min_gain_db=-10.0, max_gain_db=10.0),
    "clipping": Clipping(**ALWAYS, min_clipped_share=0.01, max_clipped_share=0.2),
    "downsample": Downsample(**RATED, rates=[6000, 8000, 11025, 12000]),
    "packets lost": PacketLoss(**PACKETS, concealment="zero"),
    "packets repeated": PacketLoss(**PACKETS, concealment="repeat"),
    "drop_freq": DropFreq(**RATED, min_bands=1, max_bands=3, width_hz=400.0),
    "drop_chunk": DropChunk(**CHUNKS, min_chunks=1, max_chunks=5),
    "tempo": Tempo(**RATED, min_factor=0.8, max_factor=1.25),
    "pitch": PitchShift(**RATED, min_semitones=-2.0, max_semitones=2.0),
    "mu_law": Codec(**RATED, codec="mu_law", coded_rate=8000, bit_rates=[64000]),
    "gsm": Codec(**RATED, codec="gsm", coded_rate=8000, bit_rates=[13200]),
    "opus": Codec(**RATED, codec="opus", coded_rate=16000, bit_rates=[8000, 12000, 16000, 24000]),
    "mp3": Codec(**RATED, codec="mp3", coded_rate=16000, bit_rates=[16000, 24000, 32000, 64000]),
    "aac": Codec(**RATED, codec="aac", coded_rate=16000, bit_rates=[16000, 24000, 32000, 64000]),
}
CODECS = {"mu_law", "gsm", "opus", "mp3", "aac"}
ON_WORKERS = {*CODECS, "tempo", "pitch"}
"""Others can be applied to a batch on a training's device."""
FIXED = {"mu_law", "gsm"}
"""Nothing is drawn."""
WITHIN_A_SAMPLE = CODECS
ELSEWHERE = {"tempo", "pitch"}
"""Alignment: the one is aligned at its first sample alone, the other within the tolerance of its frames."""
IDENTITIES = {
    "noise": Noise(**ALWAYS, min_snr_db=300.0, max_snr_db=300.0),
    "music": Noise(**ALWAYS, min_snr_db=300.0, max_snr_db=300.0, bank="music"),
    "foreground": ForegroundNoise(**RATED, min_snr_db=300.0, max_snr_db=300.0, interval_s=1.0),
    "babble": Babble(**ALWAYS, min_snr_db=300.0, max_snr_db=300.0, min_voices=3, max_voices=8),
    "channel": Channel(**(CHANNEL | {"max_gain_db": 0.0, "band_limit_probability": 0.0})),
    "gain": Gain(**ALWAYS, min_gain_db=0.0, max_gain_db=0.0),
    "clipping": Clipping(**ALWAYS, min_clipped_share=0.0, max_clipped_share=0.0),
    "downsample": Downsample(**RATED, rates=[RATE]),
    "packets": PacketLoss(**(PACKETS | {"min_lost_share": 0.0, "max_lost_share": 0.0}), concealment="repeat"),
    "drop_freq": DropFreq(**RATED, min_bands=0, max_bands=0, width_hz=400.0),
    "drop_chunk": DropChunk(**CHUNKS, min_chunks=0, max_chunks=0),
    "no length": DropChunk(**RATED, min_chunks=1, max_chunks=5, min_chunk_ms=0.0, max_chunk_ms=0.0),
    "tempo": Tempo(**RATED, min_factor=1.0, max_factor=1.0),
    "pitch": PitchShift(**RATED, min_semitones=0.0, max_semitones=0.0),
    "nothing": Augment(steps=[Noise(probability=0.0, **SNR), OneOf(choices=[Reverb(probability=0.0)])]),
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
        "music": Bank.from_recordings([np.sin(np.arange(3 * RATE) * 0.1 * k).astype(np.float32) for k in (1, 2, 3)]),
        "speech": Bank.from_recordings([talk(seed, 3 * RATE) for seed in range(10, 16)]),
    }


@pytest.fixture(params=TRANSFORMS)
def apply(request, banks):
    transform = TRANSFORMS[request.param]

    def run(waveform, seed):
        rng = np.random.default_rng(seed)
        return transform(waveform, rng, banks[transform.bank]) if transform.bank else transform(waveform, rng)

    return run


@pytest.mark.few(33)
@pytest.mark.parametrize("num_samples", [1, 2, 100, 3201, 2 * RATE])
def test_length_and_type_are_kept(apply, num_samples):
    result = apply(talk(0, num_samples), 0)
    assert result.dtype == np.float32
    assert result.shape == (num_samples,)
    assert np.isfinite(result).all()


def test_silence_gives_finite_values(apply):
    with np.errstate(all="raise", under="ignore"):
        for seed in range(3):
            assert np.isfinite(apply(np.zeros(RATE, np.float32), seed)).all()


@pytest.mark.few(40)
@pytest.mark.parametrize("num_samples", [1, RATE])
@pytest.mark.parametrize("value", [1.0, -1.0, 0.5])
def test_constants_give_finite_values(apply, num_samples, value):
    with np.errstate(all="raise", under="ignore"):
        for seed in range(3):
            assert np.isfinite(apply(np.full(num_samples, value, np.float32), seed)).all()


def test_nearly_silent_and_loud_input_gives_finite_values(apply):
    for scale in (1e-20, 1e-6, 1e4):
        assert np.isfinite(apply(talk(0) * np.float32(scale), 1)).all()


def test_the_generator_decides_bit_by_bit(apply, request):
    waveform = talk(0)
    first = apply(waveform, 7)
    assert np.array_equal(first, apply(waveform, 7))
    same = [np.array_equal(first, apply(waveform, seed)) for seed in range(8, 12)]
    assert all(same) == (request.node.callspec.params["apply"] in FIXED)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_the_order_of_the_examples_does_not_matter(name, banks):
    augment = Augment(steps=[TRANSFORMS[name]])
    examples = {f"id{index}": talk(index, RATE // 2) for index in range(3)}

    def run(names, epoch=2):
        return {utt_id: augment(examples[utt_id], example_rng(5, epoch, utt_id), banks) for utt_id in names}

    forth, back = run(["id0", "id1", "id2"]), run(["id2", "id0", "id1"])
    assert all(np.array_equal(forth[utt_id], back[utt_id]) for utt_id in examples)


def test_the_input_stays_as_it_was(apply):
    waveform = talk(0)
    waveform.flags.writeable = False
    before = waveform.copy()
    apply(waveform, 0)
    assert np.array_equal(waveform, before)


@pytest.mark.parametrize("name", sorted(TRANSFORMS.keys() - ELSEWHERE))
def test_alignment_is_kept(name, banks):
    transform, waveform = TRANSFORMS[name], talk(0)
    for seed in range(2 if name in WITHIN_A_SAMPLE else 8):
        arguments = [banks[transform.bank]] if transform.bank else []
        result = transform(waveform, np.random.default_rng(seed), *arguments)
        correlation = correlate(result, waveform, mode="full")
        lag = int(np.argmax(np.abs(correlation))) - len(waveform) + 1
        assert abs(lag) <= (1 if name in WITHIN_A_SAMPLE else 0)


@pytest.mark.parametrize("name", IDENTITIES)
def test_without_strength_nothing_changes(name, banks):
    transform, waveform = IDENTITIES[name], talk(3)
    if isinstance(transform, Augment):
        assert transform(waveform, np.random.default_rng(0), banks) is waveform
    else:
        arguments = [banks[transform.bank]] if transform.bank else []
        result = transform(waveform, np.random.default_rng(0), *arguments)
        np.testing.assert_allclose(result, waveform, rtol=0, atol=1e-6)


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


DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


def drawn_for_each(transform, num, num_samples, banks):
    """What each waveform of a batch draws: lists of numbers, and the array as which they travel."""
    drawn_from = [banks[transform.bank]] if transform.bank else []
    drawn = [transform.draw(np.random.default_rng(seed), num_samples, *drawn_from) for seed in range(num)]
    rows = np.full((num, transform.most_drawn(num_samples)), np.nan)
    for row, numbers in zip(rows, drawn, strict=True):
        row[: len(numbers)] = numbers
    return drawn, torch.from_numpy(rows)


def applied_to_batch(transform, waveforms, rows, banks, device):
    drawn_from = [BankOnDevice(banks[transform.bank], torch.device(device))] if transform.bank else []
    return transform.apply_batch(torch.from_numpy(waveforms).to(device), rows.to(device), *drawn_from).cpu().numpy()


def test_what_the_device_cannot_do_is_known():
    assert {name for name, transform in TRANSFORMS.items() if not transform.on_device} == ON_WORKERS
    assert not Downsample(**RATED, rates=[8000, 7999]).on_device
    assert not ForegroundNoise(**RATED, **SNR, interval_s=0.0).on_device


@pytest.mark.few(20)
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("num_samples", [1, 100, 3201, 2 * RATE])
@pytest.mark.parametrize("name", sorted(TRANSFORMS.keys() - ON_WORKERS))
def test_the_device_does_to_each_waveform_of_a_batch_what_a_worker_does(name, num_samples, device, banks):
    """Each draws its own; among them are silence, a whisper and a constant."""
    transform = TRANSFORMS[name]
    waveforms = np.stack([talk(seed, num_samples) for seed in range(10)])
    waveforms[3], waveforms[4], waveforms[5] = 0.0, 1e-4 * waveforms[4], 0.5
    drawn, rows = drawn_for_each(transform, len(waveforms), num_samples, banks)
    drawn_from = [banks[transform.bank]] if transform.bank else []
    expected = np.stack([transform.apply(*each, *drawn_from) for each in zip(waveforms, drawn, strict=True)])
    before = waveforms.copy()
    result = applied_to_batch(transform, waveforms, rows, banks, device)
    assert result.dtype == np.float32
    peaks = np.maximum(1.0, np.abs(expected).max(axis=1, keepdims=True))  # what a filter leaves of a constant is raised
    np.testing.assert_allclose(result / peaks, expected / peaks, rtol=0, atol=5e-6)
    assert np.array_equal(waveforms, before)


@pytest.mark.few(5)
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", sorted(TRANSFORMS.keys() - ON_WORKERS))
def test_an_example_does_not_depend_on_its_batch(name, device, banks):
    transform = TRANSFORMS[name]
    waveforms = np.stack([talk(seed) for seed in range(6)])
    _, rows = drawn_for_each(transform, len(waveforms), RATE, banks)
    together = applied_to_batch(transform, waveforms, rows, banks, device)
    order = [4, 0, 5]
    others = applied_to_batch(transform, waveforms[order], rows[order], banks, device)
    np.testing.assert_allclose(others, together[order], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", sorted(TRANSFORMS))
def test_a_call_draws_and_then_applies(name, banks):
    transform, waveform = TRANSFORMS[name], talk(1)
    drawn_from = [banks[transform.bank]] if transform.bank else []
    called, apart = np.random.default_rng(5), np.random.default_rng(5)
    result = transform(waveform, called, *drawn_from)
    drawn = transform.draw(apart, len(waveform), *drawn_from)
    assert called.random() == apart.random()  # nothing is drawn while it is applied
    assert np.array_equal(result, transform.apply(waveform, drawn, *drawn_from))
