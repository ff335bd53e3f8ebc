"""Make a bank of room impulse responses where no recordings are at hand."""

import numpy as np
import pyroomacoustics as pra
from numpy.typing import NDArray

from avis.augment.bank import Bank

LENGTH_M = (3.0, 8.0)
WIDTH_M = (2.5, 6.0)
HEIGHT_M = (2.4, 3.5)
T60_S = (0.15, 0.8)
"""Reverberation times; Sabine's formula can be met for all of them in all rooms of the sizes above."""
WALL_DISTANCE_M = 0.3
MIN_TALKER_DISTANCE_M = 0.3
MAX_ORDER = 40
"""Reflections followed: about 40 ms of one core per room. The end of a long decay comes out shorter than T60 says."""
LEAD_SAMPLES = 40
"""Kept before the direct path: half of pyroomacoustics' interpolation filter."""


def synthetic_room_bank(*, sample_rate: int, num: int, seed: int) -> Bank:
    """Return a bank of impulse responses of rectangular rooms of random size, decay, talker and microphone.

    In every response the direct path is the strongest peak, within a sample of `LEAD_SAMPLES`.

    Parameters
    ----------
    sample_rate
        Of the bank, in Hz.
    num
        Number of rooms.
    seed
        The same seed gives the same bank.

    References
    ----------
    J. B. Allen, D. A. Berkley, "Image method for efficiently simulating small-room acoustics", JASA 65(4), 1979.
    R. Scheibler et al., "Pyroomacoustics", ICASSP 2018; https://arxiv.org/abs/1710.04196
    """
    rng = np.random.default_rng(seed)
    return Bank.from_recordings([_room_response(rng, sample_rate) for _ in range(num)])


def _room_response(rng: np.random.Generator, sample_rate: int) -> NDArray[np.float32]:
    """Return the first response drawn whose direct path is its strongest peak: four of five are."""
    while True:
        response, direct = _simulate(rng, sample_rate)
        if abs(int(np.argmax(np.abs(response))) - direct) <= 1:
            return response[direct - LEAD_SAMPLES :].astype(np.float32)


def _simulate(rng: np.random.Generator, sample_rate: int) -> tuple[NDArray[np.floating], int]:
    """Return the response of a room drawn at random, and the sample at which the direct path arrives."""
    size = np.array([rng.uniform(*LENGTH_M), rng.uniform(*WIDTH_M), rng.uniform(*HEIGHT_M)])
    absorption, order = pra.inverse_sabine(rng.uniform(*T60_S), size)
    room = pra.ShoeBox(size, fs=sample_rate, materials=pra.Material(absorption), max_order=min(order, MAX_ORDER))
    talker, microphone = _positions(rng, size)
    room.add_source(talker)
    room.add_microphone(microphone)
    room.compute_rir()
    direct_s = np.linalg.norm(talker - microphone) / room.c
    direct = round(direct_s * sample_rate) + pra.constants.get("frac_delay_length") // 2
    return room.rir[0][0], direct


def _positions(rng: np.random.Generator, size: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return two points in the room, metres, away from the walls and from one another."""
    while True:
        talker, microphone = rng.uniform(WALL_DISTANCE_M, size - WALL_DISTANCE_M, size=(2, 3))
        if np.linalg.norm(talker - microphone) >= MIN_TALKER_DISTANCE_M:
            return talker, microphone
