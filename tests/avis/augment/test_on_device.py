"""Examples that travel with what was drawn for them come out as those that workers augment."""

import numpy as np
import pytest
import torch
from hydra.utils import instantiate

from avis.audio.codec import quantise, to_float
from avis.audio.crop import tile
from avis.augment.bank import Bank
from avis.augment.chain import Augment, InOrder, OneOf
from avis.augment.codec import Codec
from avis.augment.gain import Gain
from avis.augment.noise import Noise
from avis.augment.on_device import AugmentOnDevice
from avis.augment.reverb import Reverb
from avis.augment.rng import example_rng
from avis.augment.speed import change_speed
from avis.augment.travelling import Travelling
from avis.features.fbank import Fbank
from tests.compositions import composed

RATE, CROP = 16000, 16000
SPEEDS = [1.0, 0.9, 1.1]
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]
NUM = 48


def preset(*overrides):
    return instantiate(composed("train", *overrides).augment.chain)


def chain(*steps):
    return lambda: Augment(steps=list(steps))


NOISE = Noise(probability=0.5, min_snr_db=0.0, max_snr_db=15.0)
GSM = Codec(probability=0.4, codec="gsm", sample_rate=RATE, coded_rate=8000, bit_rates=[13200])
MUSIC = Noise(probability=0.2, min_snr_db=5.0, max_snr_db=15.0, bank="music")
CHAINS = {
    "every": lambda: preset("augment=every"),
    "channels": lambda: preset("augment=channels", "augment.noise_root=x"),
    "as wespeaker": chain(OneOf(choices=[Reverb(probability=0.3), NOISE, MUSIC])),
    "both or neither": chain(InOrder(probability=0.6, transforms=[Reverb(probability=1.0), NOISE])),
    "a codec between": chain(Reverb(probability=0.5), GSM, Gain(probability=0.5, min_gain_db=-10.0, max_gain_db=6.0)),
    "nothing": chain(),
}


def recorded(seed, num_samples):
    """Bursts over the noise of a room, as 16-bit values."""
    rng = np.random.default_rng(seed)
    bursts = np.repeat(rng.random(-(-num_samples // 1600)) > 0.4, 1600)[:num_samples]
    return quantise(((0.1 * bursts + 1e-3) * rng.standard_normal(num_samples)).astype(np.float32))


@pytest.fixture(scope="module")
def banks():
    rng = np.random.default_rng(0)

    def noises(*lengths):
        return Bank.from_recordings([rng.standard_normal(num).astype(np.float32) for num in lengths])

    decays = [rng.standard_normal(num) * np.exp(-np.arange(num) / 1000) for num in (500, 4000, 9000)]
    return {
        "noise": noises(300, 16000, 50000),
        "music": noises(40000),
        "speech": noises(9000, 20000, 30000),
        "rir": Bank.from_recordings([decay.astype(np.float32) for decay in decays]),
    }


def both_ways(augment, banks, *, speeds=SPEEDS, device="cpu"):
    """Augment examples one by one as workers do, and let them travel; the batch that travels comes last."""
    travelling = Travelling(augment, speeds=speeds, crop_samples=CROP)
    expected, sent = [], []
    for number in range(NUM):
        rng = example_rng(0, 3, f"utterance {number}")
        factor = speeds[int(rng.integers(len(speeds)))]
        values = recorded(number, [700, 12000, travelling.num_cropped(factor)][number % 3])
        waveform = to_float(values)
        waveform = tile(waveform if factor == 1.0 else change_speed(waveform, factor), CROP)
        again = example_rng(0, 3, f"utterance {number}")
        again.integers(len(speeds))
        expected.append(augment(waveform, rng, banks))
        sent.append(travelling.pack(values, factor, augment.draw(again, CROP, banks), banks))
        assert rng.random() == again.random()
    batch = {key: torch.from_numpy(np.stack([each[key] for each in sent])) for key in sent[0]}
    moved = {"waveforms": batch["waveforms"].to(device), "drawn": batch["drawn"]}
    made = AugmentOnDevice(travelling, banks)({**moved, "speaker": torch.arange(NUM)})
    assert made.keys() == {"waveforms", "speaker"}
    return torch.from_numpy(np.stack(expected)), made["waveforms"].cpu(), batch


@pytest.mark.few(2)
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", CHAINS)
def test_waveforms_are_those_of_the_workers(name, device, banks):
    expected, result, batch = both_ways(CHAINS[name](), banks, device=device)
    assert result.dtype == torch.float32
    assert batch["drawn"].dtype == torch.float64
    torch.testing.assert_close(result, expected, atol=1e-5, rtol=0)


@pytest.mark.few(1)
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", ["every", "channels"])
def test_features_are_those_of_the_workers(name, device, banks):
    """Log mels within 0.01, where they are not below the 90 dB under the loudest, which is rounding."""
    fbank = Fbank(
        dim=80,
        sample_rate=RATE,
        frame_length_ms=25.0,
        frame_shift_ms=10.0,
        window="povey",
        low_hz=20.0,
        high_hz=0.0,
        mean_norm=False,
    )
    expected, result = (fbank(waveforms) for waveforms in both_ways(CHAINS[name](), banks, device=device)[:2])
    heard = expected > expected.amax(dim=(1, 2), keepdim=True) - 9 * np.log(10)
    assert heard.float().mean() > 0.8
    torch.testing.assert_close(result[heard], expected[heard], atol=0.01, rtol=0)


def test_what_workers_leave_alone_travels_as_the_values_of_its_recording(banks):
    values = recorded(0, CROP)
    augment = CHAINS["channels"]()
    travelling = Travelling(augment, speeds=SPEEDS, crop_samples=CROP)
    sent = travelling.pack(values, 1.0, augment.draw(np.random.default_rng(0), CROP, banks), banks)
    assert sent["waveforms"].dtype == np.int16
    assert np.array_equal(sent["waveforms"][:CROP], values)
    assert Travelling(CHAINS["a codec between"](), speeds=SPEEDS, crop_samples=CROP).dtype == np.float32
    assert Travelling(None, speeds=[1.0, 0.91234], crop_samples=CROP).dtype == np.float32


def test_a_worker_does_what_the_device_cannot_and_what_comes_before_it(banks):
    """Of reverberation, codec and gain, with a codec the gain alone is left; without one, all that was drawn."""
    augment = CHAINS["a codec between"]()
    travelling = Travelling(augment, speeds=[1.1], crop_samples=CROP)
    values = recorded(0, travelling.num_cropped(1.1))
    cases = set()
    for seed in range(40):
        drawn = augment.draw(np.random.default_rng(seed), CROP, banks)
        places = {place for place, _ in drawn}
        row = travelling.pack(values, 1.1, drawn, banks)["drawn"]
        left = {place for place, columns in travelling.columns.items() if row[columns.start] == 1}
        assert left == (places - {0, 1} if 1 in places else places)
        assert row[1] == (1.0 if 1 in places else 1.1)
        cases.add(frozenset(places))
    assert len(cases) == 8


def test_a_speed_that_is_no_simple_ratio_is_left_to_the_workers(banks):
    expected, result, batch = both_ways(CHAINS["as wespeaker"](), banks, speeds=[1.0, 0.91234])
    assert set(batch["drawn"][:, 1].tolist()) == {1.0}
    torch.testing.assert_close(result, expected, atol=1e-5, rtol=0)


def test_an_example_does_not_depend_on_its_batch(banks):
    augment = CHAINS["every"]()
    _, together, batch = both_ways(augment, banks)
    alone = AugmentOnDevice(Travelling(augment, speeds=SPEEDS, crop_samples=CROP), banks)
    for row in range(0, NUM, 5):
        single = alone({key: value[row : row + 1] for key, value in batch.items()})["waveforms"]
        torch.testing.assert_close(single[0], together[row], atol=1e-6, rtol=0)


def test_waveforms_have_32_bits_in_a_training_of_16(banks):
    augment = CHAINS["channels"]()
    _, expected, batch = both_ways(augment, banks)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = AugmentOnDevice(Travelling(augment, speeds=SPEEDS, crop_samples=CROP), banks)(batch)["waveforms"]
    assert torch.equal(result, expected)
