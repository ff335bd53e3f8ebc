"""Read what libsndfile does not, by FFmpeg's decoders in PyAV: M4A, bare AAC, AMR, WMA, rare codecs in WAV and Ogg.

The container is told from the first bytes, never probed: FFmpeg takes much for audio or video, playlists that name
other files among them.
"""

from collections.abc import Iterator
from typing import Any, BinaryIO

import av
import numpy as np

from avis.audio.audio_error import AudioError, check_source_rate, more_than_read, truncated
from avis.audio.channels import ChannelChoice, reduce_channels
from avis.audio.containers.part import Part
from avis.audio.stretch import UNKNOWN_FRAMES, Stretch

SEEK_AHEAD_S = 0.5
"""Decoding begins this long before a stretch: an AAC frame, up to 0.26 s at 8 kHz, overlaps the one before."""


def read_av(
    file: BinaryIO, *, part: Part, stretch: Stretch, channel: ChannelChoice, where: str
) -> tuple[np.ndarray, int]:
    """Read a recording, or a stretch of it: M4A from shortly before it, the others from their beginning.

    Memory is taken for the stretch alone.

    Parameters
    ----------
    file : BinaryIO
        The part, as a file of its own.
    part : Part
        Its container, and how many frames it should have.
    stretch, channel, where
        What is wanted of it, and its name for the error.

    Returns
    -------
    samples : np.ndarray
        float32 ``[samples]`` or, for the choice of the best channel, ``[samples, channels]``.
    sample_rate : int
        In Hz, as decoded.

    Raises
    ------
    AudioError
        ``unreadable``; ``truncated``; ``more_than_read``: there are several tracks.
    """
    container = part.demuxer
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
        if len(opened.streams.audio) > 1:
            found = f"got {len(opened.streams.audio)} audio tracks, expected one"
            raise more_than_read(where, found, "ffmpeg -i IN -map 0:a:0 OUT.flac")
        try:
            samples, sample_rate = _read_stretch(opened, part, stretch, channel, where)
        except av.error.FFmpegError as error:
            raise truncated(where, f"got {error}, expected a stream that decodes") from error
        if stretch.is_whole and len(samples) < (part.min_frames or 0):
            raise truncated(where, f"got frames={len(samples)}, expected {part.min_frames}")
        return samples, sample_rate


def _read_stretch(
    opened: Any, part: Part, stretch: Stretch, channel: ChannelChoice, where: str
) -> tuple[np.ndarray, int]:
    blocks: list[np.ndarray] = []
    sample_rate = start = end = position = 0
    for position, block, sample_rate in _decoded(opened, part, stretch, where):
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


def _decoded(opened: Any, part: Part, stretch: Stretch, where: str) -> Iterator[tuple[int, np.ndarray, int]]:
    """Yield position in frames, block ``[samples, channels]`` and rate, from the stretch's beginning or before it."""
    stream = opened.streams.audio[0]
    seeks = part.demuxer == "mov" and stretch.start_s > SEEK_AHEAD_S
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
