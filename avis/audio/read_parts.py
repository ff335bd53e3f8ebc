"""Read the recordings that a file holds as one."""

from typing import BinaryIO

import numpy as np

from avis.audio.audio_error import more_than_read
from avis.audio.channels import ChannelChoice
from avis.audio.containers.part import Part
from avis.audio.read_av import read_av
from avis.audio.read_soundfile import read_soundfile
from avis.audio.stretch import UNKNOWN_FRAMES, Stretch


def read_parts(
    file: BinaryIO, parts: list[Part], *, stretch: Stretch, channel: ChannelChoice, where: str
) -> tuple[np.ndarray, int]:
    """Read a recording, or a stretch of it, one part after the other.

    A stretch of a file of several parts takes memory for a whole part besides.

    Returns
    -------
    samples : np.ndarray
        float32 ``[samples]`` or, for the choice of the best channel, ``[samples, channels]``.
    sample_rate : int
        Of the file, in Hz.

    Raises
    ------
    AudioError
        ``unreadable``; ``truncated``; ``more_than_read``: the parts do not go together.
    """
    if len(parts) == 1:
        return _read_part(file, parts[0], stretch, channel, where)
    blocks: list[np.ndarray] = []
    position = sample_rate = start = end = 0
    for part in parts:
        block, rate = _read_part(file, part, Stretch(), channel, where)
        sample_rate = sample_rate or rate
        if rate != sample_rate or (blocks and block.shape[1:] != blocks[0].shape[1:]):
            raise more_than_read(
                where,
                f"got {len(parts)} joined recordings, of {sample_rate} and {rate} Hz or of several numbers of "
                "channels, expected one of each",
                f"tail -c +{part.start + 1} IN > REST, head -c {part.start} IN > BEGINNING, and list them apart",
            )
        start, end = stretch.frames(rate, total=UNKNOWN_FRAMES, where=where)
        blocks.append(block[max(0, start - position) : max(0, end - position)])
        position += len(block)
        if position >= end:
            break
    stretch.frames(sample_rate, total=position, where=where)
    return np.concatenate(blocks), sample_rate


def _read_part(
    file: BinaryIO, part: Part, stretch: Stretch, channel: ChannelChoice, where: str
) -> tuple[np.ndarray, int]:
    read = read_soundfile if part.demuxer is None else read_av
    return read(part.open(file), part=part, stretch=stretch, channel=channel, where=where)
