"""How much of a voice is tone and how much is breath, hoarseness and noise.

References
----------
Boersma, "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of a sampled
sound", Proceedings of the Institute of Phonetic Sciences 17, 1993.
"""

import numpy as np
from numpy.typing import NDArray


def harmonics_to_noise_db(strength: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the power of what repeats itself over that of the rest, in dB.

    Background noise counts as noise of the voice, and so does a pitch that glides: within the 50 ms that are looked at
    it does not repeat itself exactly.

    Parameters
    ----------
    strength : float64 [frames]
        Height of the normalised autocorrelation at the period, between 0 and 1; see `avis.acoustics.pitch.Contour`.

    Examples
    --------
    >>> harmonics_to_noise_db(np.array([0.5, 0.99])).round(2)
    array([ 0.  , 19.96])
    """
    return np.asarray(10.0 * np.log10(strength / (1.0 - strength)), dtype=np.float64)
