"""A recording of one's own to calibrate on: whose it is, when it was made, and what a few seconds of it are like."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avis.audio.codec import to_float
from avis.audio.quality import FRAME_S, HOP_S, frame_levels_db, speech_frames
from avis.corpora.files import NO_SESSION
from avis.verifier.verifier import Verifier, Voiceprint

SECONDS = (1.0, 2.0, 4.0, 8.0)
"""Of speech: how short recordings are cut, to see how many are needed."""


@dataclass(frozen=True, kw_only=True)
class OwnRecording:
    """A recording of a person.

    Attributes
    ----------
    name : str
        What it is called where it is spoken of, as its path.
    voiceprint : Voiceprint
    session : str
        When or where it was made; recordings without one were made at once, for all that is known.
    cuts : mapping of float to Voiceprint
        By seconds of speech, its beginning; see `of`. Empty where only its voiceprint is at hand.
    """

    name: str
    voiceprint: Voiceprint
    session: str = NO_SESSION
    cuts: Mapping[float, Voiceprint] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        verifier: Verifier,
        source: str | os.PathLike[str] | bytes | tuple[NDArray[Any], int],
        *,
        name: str,
        session: str = NO_SESSION,
    ) -> "OwnRecording":
        """Embed a recording, and of its beginning as many of `SECONDS` as it carries, by frame energy.

        A beginning has fewer quiet frames to tell speech from: by itself it may be measured a tenth shorter.

        Raises
        ------
        ValueError
            See `Verifier.embed`.
        """
        voiceprint = verifier.embed(source)
        if voiceprint.embedding is None:
            return cls(name=name, voiceprint=voiceprint, session=session)
        hearing = verifier.hearing
        if isinstance(source, tuple):
            taken = hearing.take_samples(*source)
        else:
            taken = hearing.take(source if isinstance(source, bytes) else os.fspath(source))
        spans = _beginnings(taken.values, hearing.sample_rate)
        cuts = {
            seconds: verifier.embed((taken.values[start:end], hearing.sample_rate))
            for seconds, (start, end) in spans.items()
        }
        return cls(name=name, voiceprint=voiceprint, session=session, cuts=cuts)


def _beginnings(values: NDArray[np.int16], sample_rate: int) -> dict[float, tuple[int, int]]:
    """Return from which to which sample a recording holds its first seconds of speech, as far as it carries them."""
    spoken = np.flatnonzero(speech_frames(frame_levels_db(to_float(values), sample_rate=sample_rate)))
    hop, frame = round(HOP_S * sample_rate), round(FRAME_S * sample_rate)
    needed = {seconds: round(seconds / HOP_S) for seconds in SECONDS}
    return {
        seconds: (int(spoken[0]) * hop, int(spoken[num - 1]) * hop + frame)
        for seconds, num in needed.items()
        if num <= len(spoken)
    }
