"""Make a bank of room impulse responses where no recordings are at hand."""

from itertools import count, islice

import numpy as np
import pyroomacoustics as pra
from numpy.typing import NDArray

from avis.augment.bank import Bank
from avis.augment.ranges import check_range, check_within

LENGTH_M = (3.0, 8.0)
WIDTH_M = (2.5, 6.0)
HEIGHT_M = (2.4, 3.5)
WALL_DISTANCE_M = 0.3
T60_LIMITS_S = (0.15, 1.0)
DISTANCE_LIMITS_M = (0.1, 2.0)
MAX_ORDER = 40
"""Reflections followed: about 40 ms of one core per room. Small rooms then lose the end of a long decay."""
DECAY_DB = (-5.0, -25.0)
"""Between these the reverberation time is measured (T20, ISO 3382)."""
DIRECT_S = 0.0025
"""What comes so soon after the direct path counts as part of it."""
T60_TOLERANCE = 0.15
LEAD_SAMPLES = 40
"""Kept before the direct path: half of pyroomacoustics' interpolation filter."""


def synthetic_room_bank(
    *,
    sample_rate: int,
    num: int,
    min_t60_s: float,
    max_t60_s: float,
    min_distance_m: float,
    max_distance_m: float,
    seed: int,
) -> Bank:
    """Return a bank of impulse responses of rectangular rooms of random size, decay, talker and microphone.

    In every response the direct path is the strongest peak, within a sample of `LEAD_SAMPLES`, and the sound decays
    (T20) as asked, to `T60_TOLERANCE`; rooms that cannot be had so are drawn again.

    Parameters
    ----------
    sample_rate : int
        Of the bank, in Hz.
    num : int
        Number of rooms.
    min_t60_s, max_t60_s : float
        The reverberation time is drawn uniformly between these, 0.15 and 1 at the widest: Sabine's formula, from
        which the walls follow, can be met for these in rooms of all sizes.
    min_distance_m, max_distance_m : float
        The distance between talker and microphone is drawn log-uniformly between these, 0.1 and 2 at the widest.
    seed : int
        The same seed gives the same bank.

    Raises
    ------
    ValueError
        If a range is out of order or beyond its limits.

    References
    ----------
    J. B. Allen, D. A. Berkley, "Image method for efficiently simulating small-room acoustics", JASA 65(4), 1979.
    R. Scheibler et al., "Pyroomacoustics", ICASSP 2018; https://arxiv.org/abs/1710.04196
    """
    check_range(min_t60_s, max_t60_s, name="t60_s", unit="s", floor=T60_LIMITS_S[0])
    check_within(max_t60_s, *T60_LIMITS_S, name="max_t60_s", unit="s")
    check_range(min_distance_m, max_distance_m, name="distance_m", unit="m", floor=DISTANCE_LIMITS_M[0])
    check_within(max_distance_m, *DISTANCE_LIMITS_M, name="max_distance_m", unit="m")
    rng = np.random.default_rng(seed)
    drawn = ((rng.uniform(min_t60_s, max_t60_s), _log_uniform(rng, min_distance_m, max_distance_m)) for _ in count())
    responses = (_room_response(rng, sample_rate, t60_s, distance_m) for t60_s, distance_m in drawn)
    return Bank.from_recordings(list(islice((kept for kept in responses if kept is not None), num)))


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _room_response(
    rng: np.random.Generator, sample_rate: int, t60_s: float, distance_m: float
) -> NDArray[np.float32] | None:
    """Return the response of a random room, or None if its direct path is not its peak or it misses its decay."""
    size = np.array([rng.uniform(*LENGTH_M), rng.uniform(*WIDTH_M), rng.uniform(*HEIGHT_M)])
    absorption, order = pra.inverse_sabine(t60_s, size)
    room = pra.ShoeBox(size, fs=sample_rate, materials=pra.Material(absorption), max_order=min(order, MAX_ORDER))
    talker, microphone = _positions(rng, size, distance_m)
    room.add_source(talker)
    room.add_microphone(microphone)
    room.compute_rir()
    response = room.rir[0][0]
    direct_s = np.linalg.norm(talker - microphone) / room.c
    direct = round(direct_s * sample_rate) + pra.constants.get("frac_delay_length") // 2
    response = response[direct - LEAD_SAMPLES :]
    after_s = np.maximum(np.arange(len(response)) - LEAD_SAMPLES, 0) / sample_rate
    # Sabine's formula is rough: an exponential more or less makes the decay what was asked for
    response *= 10 ** (-3 * after_s * (1 / t60_s - 1 / _reverberation_time(response, sample_rate)))
    if abs(int(np.argmax(np.abs(response))) - LEAD_SAMPLES) > 1:
        return None
    if abs(_reverberation_time(response, sample_rate) / t60_s - 1) > T60_TOLERANCE:
        return None
    return response.astype(np.float32)


def _reverberation_time(response: NDArray[np.float64], sample_rate: int) -> float:
    """Return T20 of what follows the direct path, in seconds, by Schroeder's backward integration."""
    late = response[LEAD_SAMPLES + round(DIRECT_S * sample_rate) :]
    energy = np.cumsum(np.square(late[::-1]))[::-1]
    decay_db = 10 * np.log10(np.maximum(energy / energy[0], 1e-12))
    first, last = (int(np.argmax(decay_db < level)) for level in DECAY_DB)
    return float(-60 / np.polyfit(np.arange(first, last) / sample_rate, decay_db[first:last], 1)[0])


def _positions(
    rng: np.random.Generator, size: NDArray[np.float64], distance_m: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return two points in the room, metres, away from the walls and at that distance from one another."""
    while True:
        microphone = rng.uniform(WALL_DISTANCE_M, size - WALL_DISTANCE_M)
        direction = rng.normal(size=3)
        talker = microphone + distance_m * direction / np.linalg.norm(direction)
        if ((talker >= WALL_DISTANCE_M) & (talker <= size - WALL_DISTANCE_M)).all():
            return talker, microphone
