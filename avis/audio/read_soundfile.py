"""Read what libsndfile reads: WAV, FLAC, Ogg (Vorbis, Opus), MP3, NIST SPHERE, AIFF, AU, CAF, W64 and more."""

from typing import BinaryIO

import numpy as np
import soundfile as sf

from avis.audio.audio_error import AudioError, check_source_rate, truncated
from avis.audio.channels import ChannelChoice, reduce_channels
from avis.audio.containers.part import Part
from avis.audio.stretch import UNKNOWN_FRAMES, Stretch

BLOCK_VALUES = 1 << 22
"""Values (frames times channels) decoded at a time, so that memory follows the audio and not the header's promise.

soundfile seeks to where it stands after each read, which in the middle of a FLAC stream costs as much as decoding some
seconds of it: most recordings are one block.
"""


def read_soundfile(
    file: BinaryIO, *, part: Part, stretch: Stretch, channel: ChannelChoice, where: str
) -> tuple[np.ndarray, int]:
    """Read a recording, or a stretch of it without decoding the rest where the format allows.

    Parameters
    ----------
    file : BinaryIO
        The part, as a file of its own.
    part : Part
        How many frames it should have.
    stretch, channel, where
        What is wanted of it, and its name for the error.

    Returns
    -------
    samples : np.ndarray
        float32 ``[samples]`` or, for the choice of the best channel, ``[samples, channels]``.
    sample_rate : int
        Of the file, in Hz.

    Raises
    ------
    AudioError
        ``unreadable`` or ``truncated``.
    """
    try:
        opened = sf.SoundFile(file)
    except (sf.LibsndfileError, TypeError) as error:
        found = getattr(error, "error_string", error)
        raise AudioError(
            "unreadable",
            f"not audio: got {found} expected a known audio format. At {where}. Convert or remove it.",
        ) from error
    with opened:
        check_source_rate(opened.samplerate, where=where)
        start, end = stretch.frames(opened.samplerate, total=opened.frames, where=where)
        if start:
            try:
                opened.seek(start)
            except sf.LibsndfileError as error:
                raise truncated(where, f"got no way to frame={start}, expected {_declared(opened)}") from error
        samples = _read_blocks(opened, end - start, channel, where)
        expected = end - start
        if stretch.is_whole:
            expected = expected - part.slack_frames if part.min_frames is None else part.min_frames
        if len(samples) < expected:
            raise truncated(where, f"got frames={len(samples)}, expected {expected}")
        return samples, opened.samplerate


def _read_blocks(opened: sf.SoundFile, num_wanted: int, channel: ChannelChoice, where: str) -> np.ndarray:
    """Read up to so many frames.

    Only the last block may be short: before a hole in an Ogg stream libsndfile returns what it has, and then goes on.
    """
    blocks: list[np.ndarray] = []
    num_read = 0
    is_last = False
    while num_read < num_wanted:
        num = min(max(1, BLOCK_VALUES // opened.channels), num_wanted - num_read)
        try:
            block = opened.read(num, dtype="float32", always_2d=True)
        except (sf.LibsndfileError, ValueError) as error:  # the latter where it stands behind its own end
            raise truncated(where, f"got an error after frames={num_read}, expected {_declared(opened)}") from error
        if len(block) == 0:
            break
        if is_last:
            raise truncated(where, f"got a hole at frame={num_read}, expected {_declared(opened)}")
        num_read += len(block)
        is_last = len(block) < num
        blocks.append(reduce_channels(block, channel, where=where))
    if len(blocks) == 1:
        return blocks[0]
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def _declared(opened: sf.SoundFile) -> str:
    known = opened.frames < UNKNOWN_FRAMES
    return f"{opened.frames}" if known else "a length in the header (this file states none)"
