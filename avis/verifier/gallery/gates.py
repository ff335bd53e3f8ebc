"""What a recording must be like before somebody is enrolled with it: a bad one spoils every later answer."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from avis.scoring.length_norm import length_normalize
from avis.verifier.embedder import Source, Voiceprint
from avis.verifier.verifier import CLIPPED, NOISY_DB, Verifier

WINDOW_S, HOP_S = 2.0, 1.0
FEWEST_WINDOWS = 4
"""Fewer tell no second voice from chance."""


@dataclass(frozen=True, kw_only=True)
class Gates:
    """What is asked of each recording.

    Parameters
    ----------
    min_speech_s : float
        Seconds of speech.
    min_snr_db : float
        Of the speech above the noise.
    max_clip_ratio : float
        Share of the samples at full scale.
    """

    min_speech_s: float = 2.0
    min_snr_db: float = NOISY_DB
    max_clip_ratio: float = CLIPPED

    def refusals(self, voiceprint: Voiceprint) -> Iterator[str]:
        """Say what a recording lacks."""
        snr_db, clip_ratio = (voiceprint.quality.get(key) for key in ("snr_db", "clip_ratio"))
        if voiceprint.speech_s < self.min_speech_s:
            yield f"{voiceprint.speech_s:.2f} s of speech, of which it takes {self.min_speech_s:g} s"
        if snr_db is not None and snr_db < self.min_snr_db:
            yield f"noisy: the speech is {snr_db:.0f} dB above the noise, of which it takes {self.min_snr_db:g} dB"
        if clip_ratio is not None and clip_ratio > self.max_clip_ratio:
            yield f"clipped: {clip_ratio:.1%} of it is at full scale, of which {self.max_clip_ratio:.1%} may be"


def has_second_voice(verifier: Verifier, source: Source) -> bool:
    """Tell whether two people speak in a recording: its windows, put into two groups, are of two by the verdict.

    Windows are grouped by how near they are to each other, so that one voice's groups, too, are as far apart as they
    can be; a second voice is only found where the verdict is sure of it, and in some five seconds of speech and more.
    """
    heard = verifier.windows(source, length_s=WINDOW_S, hop_s=HOP_S)
    if len(heard.embeddings) < FEWEST_WINDOWS:
        return False
    from scipy.cluster.vq import kmeans2  # imported by who needs it: a verdict does not wait for it

    units = length_normalize(heard.embeddings.astype(np.float64))
    likeness = units @ units.T
    farthest = np.unravel_index(np.argmin(likeness), likeness.shape)
    _, group = kmeans2(units, units[list(farthest)], minit="matrix")
    if len(np.unique(group)) < 2:
        return False
    voices = []
    for number in range(2):
        speech_s = float(heard.speech_s[group == number].sum()) * HOP_S / WINDOW_S
        voices.append(verifier.voiceprint_of(heard.embeddings[group == number], speech_s))
    return verifier.verify(*voices).outcome == "no_match"
