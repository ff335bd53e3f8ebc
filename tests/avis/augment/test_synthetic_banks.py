import numpy as np
import pytest
from scipy.signal import welch

from avis.augment.synthetic_noise import synthetic_noise_bank
from avis.augment.synthetic_rooms import LEAD_SAMPLES, synthetic_room_bank

ROOMS = {"min_t60_s": 0.15, "max_t60_s": 0.8, "min_distance_m": 0.3, "max_distance_m": 2.0}


def test_noises_differ_in_slope_and_fill_the_time():
    bank = synthetic_noise_bank(sample_rate=16000, num=20, duration_s=2.0, seed=0)
    assert len(bank) == 20
    assert set(np.diff(bank.offsets)) == {32000}
    slopes = []
    for index in range(0, 20, 2):
        frequency, power = welch(bank[index].astype(float), 16000, nperseg=1024)
        band = (frequency > 450) & (frequency < 1400)
        slopes.append(-np.polyfit(np.log(frequency[band]), np.log(power[band]), 1)[0])
    assert min(slopes) > -1.4
    assert max(slopes) < 2.4
    assert np.ptp(slopes) > 1


def test_every_other_noise_hums():
    bank = synthetic_noise_bank(sample_rate=16000, num=8, duration_s=2.0, seed=1)
    for index in range(1, 8, 2):
        frequency, power = welch(bank[index].astype(float), 16000, nperseg=16000)
        ratios = [power[frequency == f][0] / np.median(power[(frequency > 30) & (frequency < 75)]) for f in (50, 60)]
        assert max(ratios) > 5


def test_the_seed_decides():
    for make in (
        lambda seed: synthetic_noise_bank(sample_rate=8000, num=2, duration_s=0.5, seed=seed),
        lambda seed: synthetic_room_bank(sample_rate=8000, num=2, seed=seed, **ROOMS),
    ):
        assert np.array_equal(make(3).samples, make(3).samples)
        assert not np.array_equal(make(3)[0][:100], make(4)[0][:100])


def reverberation_time(response, sample_rate):
    """T20: the time of the decay from -5 to -25 dB, times 3 (Schroeder's backward integration)."""
    energy = np.cumsum(response[::-1].astype(float) ** 2)[::-1]
    decay_db = 10 * np.log10(energy / energy[0] + 1e-12)
    return 3 * (np.argmax(decay_db < -25) - np.argmax(decay_db < -5)) / sample_rate


def test_rooms_decay_as_rooms_do_and_start_with_the_direct_path():
    bank = synthetic_room_bank(sample_rate=16000, num=8, seed=0, **ROOMS)
    times = [reverberation_time(bank[i], 16000) for i in range(8)]
    assert 0.05 < min(times) < max(times) < 0.9
    assert np.ptp(times) > 0.1
    for i in range(8):
        response = np.abs(bank[i].astype(int))
        assert abs(int(response.argmax()) - LEAD_SAMPLES) <= 1
        assert response[: LEAD_SAMPLES - 20].max() < 0.1 * 32767


@pytest.mark.few(2)
@pytest.mark.parametrize("t60_s", [0.2, 0.4, 0.8, 1.0])
@pytest.mark.parametrize("sample_rate", [8000, 16000])
def test_the_reverberation_time_is_the_one_asked_for(t60_s, sample_rate):
    asked = {"min_t60_s": t60_s, "max_t60_s": t60_s, "min_distance_m": 0.7, "max_distance_m": 2.0}
    bank = synthetic_room_bank(sample_rate=sample_rate, num=5, seed=1, **asked)
    times = [reverberation_time(bank[i], sample_rate) for i in range(5)]
    assert times == pytest.approx([t60_s] * 5, rel=0.2)
    assert np.median(times) == pytest.approx(t60_s, rel=0.1)


def test_nearer_talkers_are_drier():
    def direct_to_reverberant(distance_m):
        placed = ROOMS | {"min_distance_m": distance_m, "max_distance_m": distance_m}
        bank = synthetic_room_bank(sample_rate=16000, num=12, seed=0, **placed)
        power = [bank[i].astype(float) ** 2 for i in range(12)]
        return np.mean([p[: LEAD_SAMPLES + 40].sum() / p[LEAD_SAMPLES + 40 :].sum() for p in power])

    assert direct_to_reverberant(0.2) > 5 * direct_to_reverberant(1.5)


@pytest.mark.parametrize(
    "wrong", [{"max_t60_s": 2.0}, {"min_t60_s": 0.9}, {"max_distance_m": 5.0}, {"min_distance_m": 0}]
)
def test_rooms_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match=rf"{next(iter(wrong))}="):
        synthetic_room_bank(sample_rate=16000, num=1, seed=0, **(ROOMS | wrong))
