"""Let the ear check: the stretches that speak most for one speaker, and most against, as sound."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from avis import location
from avis.explain.edits import as_values
from avis.explain.record import Explanation, Segment, SideName
from avis.whole_file import write_bytes

MOST_CLIPS = 3
"""For, and against."""
FADE_S = 0.03

Given = tuple[NDArray[np.int16], int]
"""A recording ``[samples]`` as it was given, and its rate in Hz."""


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A stretch of a recording to listen to.

    Attributes
    ----------
    name : str
        Of its file: side, recording, for or against, the how manieth of these, and where it begins.
    segment : Segment
    audio : bytes
        WAV, 16 bit, one channel.
    """

    name: str
    segment: Segment
    audio: bytes


def clips(explanation: Explanation, recordings: Mapping[tuple[SideName, int], Given]) -> list[Clip]:
    """Cut out what speaks most for one speaker, the most first, then what speaks most against.

    Of each at most `MOST_CLIPS`, from both sides together, and only what does speak for, or against: by its share of
    the evidence or, where the model has none, by its Shapley value.

    Parameters
    ----------
    explanation : Explanation
    recordings : mapping
        By side and number. Segments of others are left out.
    """
    told = [
        (segment, amount)
        for segment in explanation.segments
        if (segment.side, segment.recording) in recordings
        and (amount := segment.shapley if segment.llr is None else segment.llr) is not None
    ]
    found = []
    for word, sign in (("for", 1), ("against", -1)):
        such = sorted((each for each in told if sign * each[1] > 0), key=lambda each: -sign * each[1])
        for rank, (segment, _) in enumerate(such[:MOST_CLIPS], start=1):
            name = f"{segment.side}-{segment.recording}-{word}-{rank}-{segment.start_s:.1f}s.wav"
            audio = _wav(*recordings[segment.side, segment.recording], segment.start_s, segment.end_s)
            found.append(Clip(name=name, segment=segment, audio=audio))
    return found


def write_clips(folder: str, found: Sequence[Clip]) -> list[str]:
    """Write clips into a folder, each file whole or not at all, and return their paths or URIs."""
    paths = [location.join(folder, each.name) for each in found]
    for path, each in zip(paths, found, strict=True):
        write_bytes(path, each.audio)
    return paths


def _wav(values: NDArray[np.int16], sample_rate: int, start_s: float, end_s: float) -> bytes:
    """Return a stretch of a recording, faded in and out, as a WAV file."""
    cut = values[round(start_s * sample_rate) : round(end_s * sample_rate)]
    rising = np.minimum(1.0, (np.arange(len(cut)) + 0.5) / max(1, min(round(FADE_S * sample_rate), len(cut) // 2)))
    stream = io.BytesIO()
    sf.write(
        stream, as_values(cut.astype(np.float64) * rising * rising[::-1]), sample_rate, format="WAV", subtype="PCM_16"
    )
    return stream.getvalue()
