"""A recording as it was given: to be seen and to be played."""

import base64
import io
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import soundfile as sf
from markupsafe import Markup

from avis.explain.page.spectrogram import highest_hz, spectrogram
from avis.explain.record import Explanation, SideName
from avis.reports.html import data_uri

TYPES = {b"RIFF": "audio/wav", b"fLaC": "audio/flac"}
"""Of what browsers play, by the first bytes."""


class Sound(NamedTuple):
    """A recording.

    Attributes
    ----------
    uri : Markup
        The whole of it, for a player.
    picture : Markup
        Its spectrogram.
    duration_s : float
    highest_hz : float
        At the upper edge of the spectrogram.
    """

    uri: Markup
    picture: Markup
    duration_s: float
    highest_hz: float


def sounds_of(
    explanation: Explanation, audio: Mapping[tuple[SideName, int], bytes]
) -> dict[tuple[SideName, int], Sound]:
    """Return recordings by side and number.

    Raises
    ------
    ValueError
        If one is of no side of the record, or neither WAV nor FLAC.
    """
    known = {(side.side, side.recording) for side in explanation.sides}
    for key in audio:
        if key not in known:
            raise ValueError(
                f"audio of no recording that is explained: got {key}, expected one of {sorted(known)}. At trial_page. "
                "Give the recordings of this record."
            )
    return {key: sound(data, where=f"{key[0]} {key[1]}") for key, data in audio.items()}


def sound(data: bytes, *, where: str) -> Sound:
    """Return a WAV or FLAC file as a recording; of several channels, their mean is drawn.

    Raises
    ------
    ValueError
        If it is neither, or empty.
    """
    kind = TYPES.get(bytes(data[:4]))
    if kind is None:
        raise ValueError(
            f"audio that not every browser plays: got the bytes {bytes(data[:4])!r}, expected a WAV or FLAC file. At "
            f"{where}. Convert it."
        )
    try:
        samples, rate = sf.read(io.BytesIO(data), dtype="float32", always_2d=True)
    except sf.LibsndfileError as error:
        raise ValueError(
            f"broken audio: got {error}, expected a WAV or FLAC file. At {where}. Write it again."
        ) from error
    if not len(samples):
        raise ValueError(f"no audio: got 0 samples, expected at least one. At {where}. Leave it out.")
    return Sound(
        uri=Markup(f"data:{kind};base64,") + base64.b64encode(data).decode(),
        picture=data_uri(spectrogram(np.nan_to_num(samples.mean(axis=1)), sample_rate=rate)),
        duration_s=len(samples) / rate,
        highest_hz=highest_hz(rate),
    )
