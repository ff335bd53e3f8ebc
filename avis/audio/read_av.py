"""Read what libsndfile does not, by FFmpeg's decoders in PyAV: M4A (AAC, ALAC), bare AAC, AMR, WMA.

The container is told from the first bytes, never probed: FFmpeg takes much for audio or video, playlists that name
other files among them.
"""

from collections.abc import Iterator
from typing import Any, BinaryIO

import av
import numpy as np

from avis.audio.audio_error import AudioError, check_source_rate, truncated
from avis.audio.channels import ChannelChoice, reduce_channels
from avis.audio.stretch import Stretch

NUM_HEAD_BYTES = 16
"""How many bytes `av_container` looks at."""

SEEK_AHEAD_S = 0.5
"""Decoding begins this long before a stretch: an AAC frame, up to 0.26 s at 8 kHz, overlaps the one before."""

UNKNOWN_FRAMES = 1 << 62
"""Stands for the length of a recording that is only known once it is decoded."""


def av_container(head: bytes) -> str | None:
    r"""Return FFmpeg's name of a container by its first bytes; None if it is none of those read here.

    >>> av_container(b"\0\0\0\x20ftypM4A \0\0\2\0"), av_container(b"RIFF$\0\0\0WAVEfmt ")
    ('mov', None)
    """
    if head[4:8] == b"ftyp":
        return "mov"
    if head[:5] == b"#!AMR":
        return "amr"
    if head[:16] == bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"):
        return "asf"
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return "aac"
    return None


def read_av(
    file: BinaryIO, *, container: str, stretch: Stretch, channel: ChannelChoice, where: str
) -> tuple[np.ndarray, int]:
    """Read a recording, or a stretch of it: M4A from shortly before it, the others from their beginning.

    Memory is taken for the stretch alone.

    Returns
    -------
    samples : np.ndarray
        float32 ``[samples]`` or, for the choice of the best channel, ``[samples, channels]``.
    sample_rate : int
        In Hz, as decoded.

    Raises
    ------
    AudioError
        ``unreadable``; ``truncated``.
    """
    try:
        opened = av.open(file, format=container, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        raise AudioError(
            "unreadable",
            f"not audio: got {error}, expected a file of type {container}. At {where}. Convert or remove it.",
        ) from error
    with opened:
        if not opened.streams.audio or opened.streams.audio[0].codec_context is None:
            raise AudioError(
                "unreadable",
                f"no audio: got no audio stream that FFmpeg decodes, expected one. At {where}. Convert or remove it.",
            )
        try:
            return _read_stretch(opened, container, stretch, channel, where)
        except av.error.FFmpegError as error:
            raise truncated(where, f"got {error}, expected a stream that decodes") from error


def _read_stretch(
    opened: Any, container: str, stretch: Stretch, channel: ChannelChoice, where: str
) -> tuple[np.ndarray, int]:
    blocks: list[np.ndarray] = []
    sample_rate = start = end = position = 0
    for position, block, sample_rate in _decoded(opened, container, stretch, where):
        start, end = stretch.frames(sample_rate, total=UNKNOWN_FRAMES, where=where)
        wanted = block[max(0, start - position) : max(0, end - position)]
        position += len(block)
        if len(wanted):
            blocks.append(reduce_channels(wanted, channel, where=where))
        if position >= end:
            break
    if not blocks and stretch.is_whole:
        return np.zeros(0, np.float32), max(1, sample_rate)
    # The end is known by now: the stretch has to begin before it, and may overshoot it only a little.
    stretch.frames(max(1, sample_rate), total=position, where=where)
    return np.concatenate(blocks), sample_rate


def _decoded(opened: Any, container: str, stretch: Stretch, where: str) -> Iterator[tuple[int, np.ndarray, int]]:
    """Yield position in frames, block ``[samples, channels]`` and rate, from the stretch's beginning or before it."""
    stream = opened.streams.audio[0]
    seeks = container == "mov" and stretch.start_s > SEEK_AHEAD_S
    if seeks:
        opened.seek(int((stretch.start_s - SEEK_AHEAD_S) / stream.time_base), stream=stream)
    to_float = av.AudioResampler(format="fltp")
    position = sample_rate = num_channels = 0
    for number, frame in enumerate(opened.decode(stream)):
        if number == 0:
            sample_rate = frame.sample_rate
            check_source_rate(sample_rate, where=where)
            position = round(frame.time * sample_rate) if seeks else 0
        if frame.sample_rate != sample_rate:
            raise truncated(where, f"got sample_rate={frame.sample_rate} Hz, expected {sample_rate} Hz as before")
        for planar in to_float.resample(frame):
            block = planar.to_ndarray().T
            num_channels = num_channels or block.shape[1]
            if block.shape[1] != num_channels:
                raise truncated(where, f"got {block.shape[1]} channels, expected {num_channels} as before")
            yield position, block, sample_rate
            position += len(block)
