"""How fast the spectrum of a voice falls: pressed and bright, or soft and dark."""

import itertools

import numpy as np

from avis.acoustics.spectrum import Spectrum

LOWEST_HZ = 300.0
HIGHEST_HZ = 3400.0
"""What telephones carry, so that recordings of both kinds compare."""

BANDS_PER_OCTAVE = 3.0


def tilt_db_per_octave(spectrum: Spectrum) -> float:
    """Return the slope of the straight line through the levels of third-octave bands, from 300 to 3400 Hz.

    Levels are of power by Hz: white noise has 0, pink noise -3 dB per octave. The microphone and the room tilt the
    spectrum as the voice does.

    Parameters
    ----------
    spectrum : Spectrum
        Of the voice, at least up to 3400 Hz, nowhere 0.
    """
    num_bands = round(np.log2(HIGHEST_HZ / LOWEST_HZ) * BANDS_PER_OCTAVE)
    edges = np.geomspace(LOWEST_HZ, HIGHEST_HZ, num_bands + 1)
    levels_db = [10.0 * np.log10(spectrum.mean_between(low, high)) for low, high in itertools.pairwise(edges)]
    return float(np.polyfit(np.log2(edges[:-1]), levels_db, 1)[0])
