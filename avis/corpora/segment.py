"""Name a part of a recording: from when to when, and which channel of several."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

COLUMNS = ("start_s", "end_s", "channel")

MAX_CHANNEL = 65535
"""As many as the header of a WAV file can tell."""


@dataclass(frozen=True, kw_only=True)
class Segment:
    """Part of a recording, as in `avis.schema.SOURCES`.

    Attributes
    ----------
    start_s, end_s
        In seconds of the recording; ``end_s=None`` for its end.
    channel : int or None
        From 1 on; None where the corpus doesn't tell channels apart.
    """

    start_s: float = 0.0
    end_s: float | None = None
    channel: int | None = None

    @property
    def suffix(self) -> str:
        """What the segment adds to the name of its file.

        >>> Segment(start_s=1.5, end_s=3.25, channel=2).suffix, Segment().suffix
        ('_1.500-3.250_2', '')
        """
        stretch = "" if self.start_s == 0 and self.end_s is None else f"_{self.start_s:.3f}-"
        stretch += "" if self.end_s is None else f"{self.end_s:.3f}"
        return stretch + ("" if self.channel is None else f"_{self.channel}")


WHOLE = Segment()


def parse_segment(values: Mapping[str, str], *, where: str) -> Segment:
    """Read a segment from text, one value for each of `COLUMNS`; one that is missing or empty means all of it.

    Raises
    ------
    ValueError
        A value is no number, or the segment does not begin before it ends; ``where`` it stands.
    """
    start, end, channel = (values.get(column) or None for column in COLUMNS)
    if start is end is channel is None:
        return WHOLE
    try:
        segment = Segment(
            start_s=0.0 if start is None else float(start),
            end_s=None if end is None else float(end),
            channel=None if channel is None else _whole(channel),
        )
    except ValueError as error:
        raise ValueError(
            f"not a segment: got start_s={start}, end_s={end}, channel={channel}, expected seconds, seconds and a "
            f"whole number. At {where}. Correct it."
        ) from error
    last = math.inf if segment.end_s is None else segment.end_s
    if not (math.isfinite(segment.start_s) and 0 <= segment.start_s < last):
        raise ValueError(
            f"segment out of order: got start_s={start} s, end_s={end} s, expected 0 <= start_s < end_s. At {where}. "
            "Correct it."
        )
    if segment.channel is not None and not 1 <= segment.channel <= MAX_CHANNEL:
        raise ValueError(
            f"channels count from 1: got channel={channel}, expected 1 to {MAX_CHANNEL}. At {where}. Correct it."
        )
    return segment


def _whole(text: str) -> int:
    """Read a whole number, also where a column with gaps was written as ``1.0``, as pandas does."""
    number = float(text)
    if not number.is_integer():
        raise ValueError(f"{text} is not whole")
    return int(number)
