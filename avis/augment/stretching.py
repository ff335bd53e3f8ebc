"""Change the tempo and leave the pitch as it is."""

import numpy as np
from numpy.typing import NDArray

FRAME_S = 0.025
"""Frames that are laid over one another by halves: two periods of a voice of 80 Hz."""
TOLERANCE_S = 0.008
"""How far from its place a frame is taken, at most, to go on as the one before would: both ways a period of 62 Hz."""


def change_tempo(waveform: NDArray[np.float32], factor: float, *, sample_rate: int) -> NDArray[np.float32]:
    """Return the waveform ``factor`` times as fast, at the same pitch.

    Waveform similarity overlap-add (WSOLA): frames are taken from the input at another pace than they are laid down
    at, each shifted a little so that it goes on as the frame before it would have.

    Parameters
    ----------
    waveform : float32 array
        float32 ``[samples]``, at least one.
    factor : float
        Above 1 is faster and shorter; above 0.
    sample_rate : int
        In Hz.

    Returns
    -------
    numpy.ndarray
        float32 ``[max(1, round(samples / factor))]``.

    References
    ----------
    W. Verhelst, M. Roelands, "An overlap-add technique based on waveform similarity (WSOLA) for high quality
    time-scale modification of speech", ICASSP 1993.

    Examples
    --------
    >>> change_tempo(np.zeros(1200, np.float32), 1.2, sample_rate=16000).shape
    (1000,)
    """
    assert factor > 0, f"a tempo is positive, not {factor}"
    num_samples = max(1, round(len(waveform) / factor))
    if num_samples == len(waveform):
        return waveform
    hop, tolerance = round(FRAME_S * sample_rate / 2), round(TOLERANCE_S * sample_rate)
    frame = 2 * hop
    window = (0.5 - 0.5 * np.cos(np.pi * np.arange(frame) / hop)).astype(np.float32)
    lead = hop + tolerance
    source = np.pad(waveform, (lead, lead + 3 * frame))
    nearest_first = np.argsort(np.abs(np.arange(2 * tolerance + 1) - tolerance), kind="stable")
    laid = np.zeros(num_samples + 2 * frame, np.float32)
    taken = tolerance
    for start in range(0, num_samples + hop, hop):
        laid[start : start + frame] += window * source[taken : taken + frame]
        first = min(round(start * factor), len(waveform)) + hop
        following = source[taken + hop : taken + hop + frame]
        candidates = source[first : first + frame + 2 * tolerance]
        taken = first + int(nearest_first[np.argmax(_likeness(following, candidates)[nearest_first])])
    return laid[hop : hop + num_samples]


def _likeness(wanted: NDArray[np.float32], candidates: NDArray[np.float32]) -> NDArray[np.floating]:
    """Return, for each stretch of the candidates, what its squared distance to the wanted frame falls with."""
    sums = np.cumsum(np.square(candidates, dtype=np.float64))
    energy = sums[len(wanted) - 1 :] - np.concatenate([[0.0], sums[: -len(wanted)]])
    return 2 * np.correlate(candidates, wanted, "valid") - energy
