"""Follow the fundamental frequency (F0) of a voice, and tell where there is voice at all.

References
----------
Boersma, "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of a sampled
sound", Proceedings of the Institute of Phonetic Sciences 17, 1993 (the path and its costs).
De Looze and Hirst, "Detecting changes in key and range for the automatic modelling and coding of intonation", Speech
Prosody 2008 (a second pass in the speaker's own range, by the quartiles of the first).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avis.acoustics.levels import quietest_db
from avis.acoustics.periodicity import LOWEST_HZ, Peaks, find_peaks

VOICING_THRESHOLD = 0.45
OCTAVE_COST = 0.01
OCTAVE_JUMP_COST = 0.35
VOICING_CHANGE_COST = 0.14
"""Boersma's values, on the scale of the autocorrelation, for frames every 10 ms. An octave down costs a little, since
of equal periods the shortest is the one."""

RANGE = (0.75, 1.5)
"""The second pass looks from this share of the first's lower quartile to this multiple of its upper one, which keeps a
speaker's melody and leaves octaves out."""


class Contour(NamedTuple):
    """The pitch of each frame.

    Attributes
    ----------
    f0_hz : float64 [frames]
        NaN where there is no voice.
    strength : float64 [frames]
        The share of the power that repeats itself, between 0 and 1; NaN where there is no voice.
    """

    f0_hz: NDArray[np.float64]
    strength: NDArray[np.float64]

    @property
    def voiced(self) -> NDArray[np.intp]:
        """Numbers of the frames with voice, ascending, ``[voiced frames]``."""
        return np.flatnonzero(np.isfinite(self.f0_hz))


def track_pitch(samples: NDArray[np.float32], *, sample_rate: int) -> Contour:
    """Follow F0 from 60 to 500 Hz in the frames of `avis.acoustics.frames`.

    Parameters
    ----------
    samples : float32 [samples]
        The recording, its peak about at full scale, with nothing loud below voices; see `avis.acoustics.band`.
    sample_rate : int
        In Hz. Twice as much takes twice as long and says nothing more from 8000 Hz on.

    Returns
    -------
    Contour
        One frame for each whole 10 ms.
    """
    peaks = find_peaks(samples, sample_rate=sample_rate)
    if not len(peaks.level_db):
        return Contour(np.zeros(0), np.zeros(0))
    quiet = peaks.level_db < quietest_db(peaks.level_db)
    strength = np.where(quiet[:, None], -np.inf, peaks.strength)
    first = _best_path(peaks._replace(strength=strength))
    if not len(first.voiced):
        return first
    low, high = np.percentile(first.f0_hz[first.voiced], [25.0, 75.0]) * RANGE
    outside = (peaks.f0_hz < low) | (peaks.f0_hz > high)
    return _best_path(peaks._replace(strength=np.where(outside, -np.inf, strength)))


def _best_path(peaks: Peaks) -> Contour:
    """Choose a peak, or none, in each frame so that strengths less the costs of jumps are most in sum (Viterbi)."""
    num_frames = len(peaks.f0_hz)
    octaves = np.log2(np.nan_to_num(peaks.f0_hz, nan=LOWEST_HZ) / LOWEST_HZ)
    gains = np.column_stack([peaks.strength + OCTAVE_COST * octaves, np.full(num_frames, VOICING_THRESHOLD)])
    num_states = gains.shape[1]  # the last one is no voice
    costs = np.full((num_frames - 1, num_states, num_states), VOICING_CHANGE_COST)
    costs[:, :-1, :-1] = OCTAVE_JUMP_COST * np.abs(octaves[1:, :, None] - octaves[:-1, None, :])
    costs[:, -1, -1] = 0.0
    came_from = np.zeros((num_frames, num_states), dtype=np.intp)
    total, states = gains[0], np.arange(num_states)
    for frame, cost in enumerate(costs, start=1):
        ways = total - cost
        came_from[frame] = ways.argmax(axis=1)
        total = ways[states, came_from[frame]] + gains[frame]
    chosen = np.empty(num_frames, dtype=np.intp)
    chosen[-1] = total.argmax()
    for frame in range(num_frames - 1, 0, -1):
        chosen[frame - 1] = came_from[frame, chosen[frame]]
    f0_hz, strength = (
        np.column_stack([values, np.full(num_frames, np.nan)])[np.arange(num_frames), chosen]
        for values in (peaks.f0_hz, peaks.strength)
    )
    return Contour(f0_hz, strength)
