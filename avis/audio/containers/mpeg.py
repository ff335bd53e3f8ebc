"""Find the recordings in an MP3 file, and count their samples by the headers of its frames.

References
----------
ISO/IEC 11172-3, section 2.4.2.3, and 13818-3 (headers of frames). The header that states a file's length ("Xing", or
"Info" where the bit rate is constant) is described in G. Bouvigne's "Mp3 Info Tag revision 1".
"""

import functools
import re
from dataclasses import dataclass, replace
from typing import NamedTuple

from avis.audio.containers.part import Part, Search
from avis.audio.containers.tags import next_header

SLACK_FRAMES = 2
"""Encoders differ by up to two MPEG frames on whether the Xing frame and the last partial frame are counted."""

DECODER_DELAY = 529
"""Samples of Layer III that libsndfile leaves out at the beginning of a stream with a length header."""

BIT_RATES = {
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 0),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0),
    (2, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0),
}
"""In kbit/s, by version (2 for 2.5 too) and layer, and then the header's index; 0 for free and forbidden."""

SAMPLE_RATES_HZ = (44100, 48000, 32000)
"""Of MPEG 1; MPEG 2 has half and MPEG 2.5 a quarter of them."""

FRAME_OR_TAG = re.compile(rb"\xff[\xe0-\xff]|ID3")
"""Where a frame or a tag may begin."""

LENGTH_TAGS = (b"Xing", b"Info")
HAS_FRAMES, HAS_BYTES = 1, 2
"""Flags of a Xing header."""


class _Frame(NamedTuple):
    """What the header of an MPEG frame says."""

    num_bytes: int
    num_samples: int
    bit_rate: int
    kind: tuple[int, int, int, bool]
    length_at: int
    """Where a Xing header stands in such a frame."""


@dataclass
class _Run:
    """Frames of one kind that a length header may go before.

    Attributes
    ----------
    start, stop : int
        In the file.
    first : bytes
        Header of the first frame.
    stated
        Number of frames by the length header; None without one.
    num_frames, num_samples : int
        Counted.
    bit_rates : set of int
        Of all frames.
    boundary : int
        Where the frames end that the length header counts.
    """

    start: int
    stop: int
    first: bytes
    declared: int | None
    num_frames: int
    num_samples: int
    bit_rates: set[int]
    boundary: int


def is_frame(head: bytes) -> bool:
    """Tell whether these bytes begin with the header of a Layer II or III frame whose length is known."""
    return _frame(head[:4]) is not None


def find(search: Search) -> list[Part]:
    """Find MPEG streams of Layer II and III.

    Joined files follow each other without a word, and libsndfile stops where the first one's length header says;
    without that header it guesses the length from the file's size, which cuts a variable bit rate short. So each
    stream becomes a part, with a length header before it where it needs one.
    """
    tagged, body, end = search.tagged, search.start, search.end
    head = search.read(body, 64)
    frame = _frame(head[:4])
    declared = None if frame is None else _declared(head, frame)
    if frame is not None and declared is not None and not search.is_whole:
        return [_single(tagged, end, frame)]
    data = search.read(body, end - body)
    runs = [piece for run in _runs(data) for piece in _split(run, data)]
    if not runs:
        return [Part(form="MP3", start=tagged, stop=end, next=end, min_frames=0)]
    parts = [_part(run, body) for run in runs]
    after = next_header(search.file, body + runs[-1].stop, end)
    if len(runs) == 1 and not parts[0].prefix:
        return [replace(parts[0], start=tagged, stop=max(after, parts[0].stop), next=after)]
    return [*parts[:-1], replace(parts[-1], next=after)]


def count_samples(data: bytes) -> int:
    """Count the samples per channel of an MP3 by its frames, other than those that only state a length."""
    return sum(run.num_samples for run in _runs(data))


def _single(start: int, end: int, frame: _Frame) -> Part:
    return Part(form="MP3", start=start, stop=end, next=end, slack_frames=SLACK_FRAMES * frame.num_samples)


def _part(run: _Run, body: int) -> Part:
    start, stop = body + run.start, body + run.stop
    if run.declared is not None:
        frame = _frame(run.first)
        slack = SLACK_FRAMES * (frame.num_samples if frame else 0)
        return Part(form="MP3", start=start, stop=stop, next=stop, slack_frames=slack)
    if len(run.bit_rates) == 1:
        return Part(form="MP3", start=start, stop=stop, next=stop, min_frames=run.num_samples)
    prefix, num_samples = _length_frame(run.first, run.num_frames), run.num_samples - DECODER_DELAY
    return Part(form="MP3", start=start, stop=stop, next=stop, prefix=prefix, min_frames=num_samples)


def _runs(data: bytes, begin: int = 0, end: int | None = None) -> list[_Run]:
    """Walk over all frames that begin between two places; junk and tags between them are stepped over."""
    runs: list[_Run] = []
    kind = None
    end = len(data) if end is None else end
    position = _next_frame(data, begin)
    frame = None if position is None else _frame(data[position : position + 4])
    while position is not None and position < end and frame is not None:
        after, at = position + frame.num_bytes, position + frame.length_at
        has_length = data[at : at + 4] in LENGTH_TAGS
        declared = _declared(data[position : position + 64], frame) if has_length else None
        if declared is not None or frame.kind != kind:
            first = data[position : position + 4]
            runs.append(_Run(position, after, first, declared and declared[0], 0, 0, set(), after))
            kind = frame.kind
        run = runs[-1]
        run.stop = after
        if declared is None:
            run.num_frames += 1
            run.num_samples += frame.num_samples
            run.bit_rates.add(frame.bit_rate)
            if run.num_frames == run.declared:
                run.boundary = after
        position, frame = after, _frame(data[after : after + 4])
        if frame is None and (position := _next_frame(data, after)) is not None:
            frame = _frame(data[position : position + 4])
    return runs


def _split(run: _Run, data: bytes) -> list[_Run]:
    """Split off what goes on after the frames that the length header counts."""
    if run.declared is None or run.num_frames <= run.declared + SLACK_FRAMES:
        return [run]
    first = replace(run, stop=run.boundary, num_frames=run.declared)
    return [first, *_runs(data, run.boundary, run.stop)]


def _next_frame(data: bytes, position: int) -> int | None:
    """Return where the next frame begins that another one of its kind follows, or that ends the data."""
    while 0 <= position < len(data):
        if data[position : position + 3] == b"ID3" and len(data) >= position + 10:
            position += 10 + sum(
                (byte & 0x7F) << 7 * i for i, byte in enumerate(reversed(data[position + 6 : position + 10]))
            )
            continue
        frame = _frame(data[position : position + 4])
        if frame is not None:
            after = position + frame.num_bytes
            following = _frame(data[after : after + 4])
            if after == len(data) or (following is not None and following.kind == frame.kind):
                return position
        found = FRAME_OR_TAG.search(data, position + 1)
        position = found.start() if found else -1
    return None


@functools.lru_cache(maxsize=4096)
def _frame(header: bytes) -> _Frame | None:
    """Return what the header of a Layer II or III frame says, or None if this is none."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = {3: 1, 2: 2, 0: 4}.get(header[1] >> 3 & 3), 4 - (header[1] >> 1 & 3)
    rate_index = header[2] >> 2 & 3
    if version is None or layer not in (2, 3) or rate_index == 3:
        return None
    bit_rate = BIT_RATES[min(version, 2), layer][header[2] >> 4] * 1000
    if bit_rate == 0:
        return None
    sample_rate = SAMPLE_RATES_HZ[rate_index] // version
    num_samples = 1152 if version == 1 or layer == 2 else 576
    is_mono = header[3] >> 6 == 3
    num_bytes = num_samples // 8 * bit_rate // sample_rate + (header[2] >> 1 & 1)
    length_at = 4 + (17 if is_mono else 32) if version == 1 else 4 + (9 if is_mono else 17)
    return _Frame(num_bytes, num_samples, bit_rate, (version, layer, sample_rate, is_mono), length_at)


def _declared(head: bytes, frame: _Frame) -> tuple[int, int] | None:
    """Return the numbers of frames and bytes that a Xing header in this frame states; None without the former."""
    tag, flags = head[frame.length_at :][:4], int.from_bytes(head[frame.length_at + 4 :][:4], "big")
    if tag not in LENGTH_TAGS or not flags & HAS_FRAMES:
        return None
    numbers = head[frame.length_at + 8 :]
    return int.from_bytes(numbers[:4], "big"), int.from_bytes(numbers[4:8], "big") if flags & HAS_BYTES else 0


def _length_frame(first: bytes, num_frames: int) -> bytes:
    """Return a frame, of the kind of the first one, that holds a Xing header."""
    header = bytes([first[0], first[1] | 1, 0x80 | first[2] & 0x0C, first[3]])
    frame = _frame(header)
    assert frame is not None, f"{header.hex()} is no header of a frame"
    length = b"Xing" + HAS_FRAMES.to_bytes(4, "big") + num_frames.to_bytes(4, "big")
    return (header + bytes(frame.length_at - 4) + length).ljust(frame.num_bytes, b"\0")
