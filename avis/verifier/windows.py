"""Embeddings along a recording, as diarization takes them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Windows:
    """What a model makes of a recording, stretch by stretch.

    Attributes
    ----------
    start_s, end_s : float64 [windows]
        In seconds of the recording as it was given.
    embeddings : float32 [windows, dim]
    speech_s : float64 [windows]
        Seconds of speech.
    """

    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    embeddings: NDArray[np.float32]
    speech_s: NDArray[np.float64]


def check_windows(length_s: float, hop_s: float, *, least_s: float) -> None:
    """Refuse windows that hold too little to be embedded, or that leave something out."""
    if not (least_s <= length_s < float("inf") and 0.0 < hop_s <= length_s):
        raise ValueError(
            f"windows out of range: got length_s={length_s} s, hop_s={hop_s} s, expected length_s >= {least_s} and 0 < "
            "hop_s <= length_s. At windows. Correct them."
        )


def window_starts(num_samples: int, length: int, hop: int) -> list[int]:
    """Return where windows begin, the last of which ends with the recording: a short rest would say little.

    Examples
    --------
    >>> window_starts(10, 4, 2), window_starts(11, 4, 2), window_starts(3, 4, 2)
    ([0, 2, 4, 6], [0, 2, 4, 6, 7], [0])
    """
    last = max(num_samples - length, 0)
    return [*range(0, last, hop), last]
