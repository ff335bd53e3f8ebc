"""Send the speech over a telephone, a network or through a file format that loses something."""

import numpy as np
from numpy.typing import NDArray

from avis.audio.transcode import check_codec, transcode
from avis.augment.transform import Transform


class Codec(Transform):
    """Code and decode with a real codec at a random bit rate.

    Length and alignment are the input's; the level is what the codec makes of it. Several codecs are several choices of
    `avis.augment.chain.OneOf`.

    Parameters
    ----------
    probability : float
        Share of the examples that get it, for `avis.augment.chain.Augment`; a direct call always applies it.
    codec : str
        ``mu_law``, ``a_law``, ``gsm``, ``g722``, ``amr_nb``, ``amr_wb``, ``opus``, ``mp3`` or ``aac``, as far as PyAV
        was built with them (`avis.audio.transcode.available_codecs`).
    sample_rate : int
        Of the waveforms, in Hz.
    coded_rate : int
        At which the codec works, in Hz: 8000 for a telephone's.
    bit_rates : list of int
        In bit/s; one of them is drawn.

    Raises
    ------
    ValueError
        When the codec is not there or doesn't take the rates.
    """

    def __init__(
        self, *, probability: float, codec: str, sample_rate: int, coded_rate: int, bit_rates: list[int]
    ) -> None:
        check_codec(codec, coded_rate=coded_rate, bit_rates=bit_rates)
        self.probability = probability
        self.codec = codec
        self.sample_rate = sample_rate
        self.coded_rate = coded_rate
        self.bit_rates = list(bit_rates)

    def draw(self, rng: np.random.Generator, num_samples: int) -> list[float]:
        """Return the number of the bit rate."""
        return [int(rng.integers(len(self.bit_rates)))]

    def apply(self, waveform: NDArray[np.float32], drawn: list[float]) -> NDArray[np.float32]:
        """Return the decoded waveform, float32 ``[samples]``."""
        return transcode(
            waveform,
            codec=self.codec,
            sample_rate=self.sample_rate,
            coded_rate=self.coded_rate,
            bit_rate=self.bit_rates[int(drawn[0])],
        )
