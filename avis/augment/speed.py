"""Speak faster or slower, with the pitch that follows."""

import numpy as np
import soxr
from numpy.typing import NDArray


def change_speed(waveform: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    """Return the waveform played ``factor`` times as fast: tempo and pitch change together.

    The result sounds like another person; training counts it as another speaker.

    Parameters
    ----------
    waveform : float32 array
        float32 ``[samples]``.
    factor : float
        Above 1 is faster, shorter and higher; usually 0.9 or 1.1.

    Returns
    -------
    numpy.ndarray
        float32 ``[round(samples / factor)]``.

    Raises
    ------
    ValueError
        When the factor is not positive.

    References
    ----------
    T. Ko et al., "Audio augmentation for speech recognition", Interspeech 2015.
    H. Yamamoto et al., "Speaker augmentation and bandwidth extension for deep speaker embedding", Interspeech 2019.

    Examples
    --------
    >>> change_speed(np.zeros(1100, np.float32), 1.1).shape
    (1000,)
    """
    if not factor > 0:
        raise ValueError(
            f"A speed must be positive: got factor={factor}, expected above 0. At augment speed. 1 leaves it as it is."
        )
    return soxr.resample(waveform, in_rate=factor, out_rate=1.0)
