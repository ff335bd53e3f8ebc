"""Find the audio in MP4 (M4A), and what its list of edits hides (ISO/IEC 14496-12)."""

import struct
from collections.abc import Iterator

from avis.audio.audio_error import more_than_read
from avis.audio.containers.part import Part, Search

BOX_HEAD_BYTES = 8
"""Size and name of a box."""

MAX_HIDDEN_S = 0.5
"""Edits may leave out so much: encoders delay by up to 2112 samples, 0.26 s at 8 kHz, and fill up the last packet."""


def find(search: Search) -> list[Part]:
    """Walk the boxes at the top level: all must fit, and ``moov`` be among them (section 4.2).

    Raises
    ------
    AudioError
        ``more_than_read``: several files are joined, or edits leave out audio.
    """
    position, index = search.start, b""
    while position + BOX_HEAD_BYTES <= search.end:
        head = search.read(position, 2 * BOX_HEAD_BYTES)
        length, name = int.from_bytes(head[:4], "big"), head[4:8]
        if length == 1 and len(head) == 2 * BOX_HEAD_BYTES:
            length = int.from_bytes(head[8:], "big")
        if length == 0:  # up to the end of the file, wherever that is
            length = search.end - position
        if not all(0x20 <= byte < 0x7F for byte in name):
            break
        if length < BOX_HEAD_BYTES:
            position = search.size + 1
            break
        if name == b"moov" and index:
            mend = "split it before each ftyp, and ffmpeg -f concat -i LIST.txt OUT.flac"
            raise more_than_read(search.where, f"got a second index (moov) at byte {position}, expected one", mend)
        if name == b"moov":
            index = search.read(position + BOX_HEAD_BYTES, length - BOX_HEAD_BYTES)
        position += length
    _check_edits(index, search.where)
    stop = position if index else max(position, search.size) + BOX_HEAD_BYTES
    return [Part(form="MP4", start=search.start, stop=stop, next=stop, demuxer="mov")]


def _check_edits(index: bytes, where: str) -> None:
    """Refuse a track of which the edits show less than it holds: FFmpeg would leave it out (section 8.6.6)."""
    movie = dict(_boxes(index)).get(b"mvhd", b"")
    for track in (dict(_boxes(content)) for name, content in _boxes(index) if name == b"trak"):
        media, edits = dict(_boxes(track.get(b"mdia", b""))), dict(_boxes(track.get(b"edts", b"")))
        if b"elst" not in edits or media.get(b"hdlr", b"")[8:12] != b"soun":
            continue
        held_s = _duration_s(media.get(b"mdhd", b""))
        shown_s = _shown_s(edits[b"elst"], _scale(movie), _scale(media.get(b"mdhd", b"")), held_s)
        if held_s - shown_s > MAX_HIDDEN_S:
            raise more_than_read(
                where,
                f"got edits that show {shown_s:.3f} s of {held_s:.3f} s, expected all of it",
                "as shown: ffmpeg -i IN OUT.flac; all of it: ffmpeg -ignore_editlist 1 -i IN OUT.flac",
            )


def _shown_s(edits: bytes, movie_scale: int, scale: int, held_s: float) -> float:
    """Return how much of a track is shown: an edit has a length, 0 for all, and a beginning, unless it is a pause."""
    entry = struct.Struct(">Qq4x" if edits[:1] == b"\1" else ">Ii4x")
    shown_s = 0.0
    for at in range(8, len(edits) - entry.size + 1, entry.size):
        length, start = entry.unpack_from(edits, at)
        if start >= 0:
            shown_s += min(length / movie_scale or held_s, held_s - start / scale)
    return shown_s


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the names of the boxes inside a box, and what is in them."""
    position = 0
    while position + BOX_HEAD_BYTES <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        if length < BOX_HEAD_BYTES:
            return
        yield data[position + 4 : position + 8], data[position + BOX_HEAD_BYTES : position + length]
        position += length


def _scale(header: bytes) -> int:
    """Return the units per second of a movie or a track, from the content of ``mvhd`` or ``mdhd``."""
    at = 20 if header[:1] == b"\1" else 12
    return max(1, int.from_bytes(header[at : at + 4], "big"))


def _duration_s(header: bytes) -> float:
    """Return the duration of a movie or a track in seconds; 0 where it is not declared."""
    at, size = (24, 8) if header[:1] == b"\1" else (16, 4)
    units = int.from_bytes(header[at : at + size], "big")
    return 0.0 if units == (1 << 8 * size) - 1 else units / _scale(header)
