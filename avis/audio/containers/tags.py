"""Tell tags, and other recordings, that lie before and after audio of any container."""

import struct
from typing import BinaryIO

from avis.audio.containers.part import read_at

ID3V1_BYTES = 128
APE_FOOTER_BYTES = 32
APE_HAS_HEADER, APE_IS_HEADER = 1 << 31, 1 << 29
HEADERS = (
    *((b"fLaC\0\0\0\x22", 0), (b"fLaC\x80\0\0\x22", 0), (b"OggS\0\x02", 0), (b"NIST_1A\n   1024", 0)),
    *((b"WAVE" + name, 8) for name in (b"fmt ", b"ds64", b"JUNK", b"LIST", b"bext")),
    *((b"AIFFCOMM", 8), (b"AIFCFVER", 8), (b"caff\0\1\0\0desc", 0), (b".snd\0\0\0\x18", 0), (b"riff.\x91\xcf\x11", 0)),
)
"""How files begin that are told from other bytes with certainty, and where in them that stands."""

HEADER_BYTES = 16
BLOCK_BYTES = 1 << 20
"""Searched at a time, and so many more: a header may lie across the border."""

LYRICS_END_BYTES = 15
"""Of Lyrics3 v2: the size in six digits, and ``LYRICS200``."""


def after_tags(file: BinaryIO, position: int) -> int:
    """Return where the tags end that begin there: ID3v2, and of joined files those of the file before too."""
    while num_bytes := _leading_bytes(read_at(file, position, APE_FOOTER_BYTES)):
        position += num_bytes
    return position


def before_tags(file: BinaryIO, end: int) -> int:
    """Return where the tags at the end begin: ID3v1, ID3v2 with a footer, APE and Lyrics3 v2, in any order."""
    while True:
        tail = read_at(file, max(0, end - ID3V1_BYTES), min(end, ID3V1_BYTES))
        num_bytes = _tag_bytes(tail)
        if not 0 < num_bytes <= end:
            return end
        end -= num_bytes


def next_header(file: BinaryIO, position: int, end: int) -> int:
    """Return where a file begins that is told with certainty, between two places; the latter if none does."""
    for block in range(position, end, BLOCK_BYTES):
        data = read_at(file, block, min(BLOCK_BYTES + HEADER_BYTES, end - block))
        found = (data.find(magic) - offset for magic, offset in HEADERS)
        if starts := [block + at for at in found if at >= 0]:
            return min(starts)
    return end


def _leading_bytes(head: bytes) -> int:
    """Return the size of the tag that begins with these bytes, or 0 (https://id3.org/id3v2.4.0-structure)."""
    if head[:3] == b"ID3" and len(head) >= 10 and max(head[6:10]) < 0x80:
        has_footer = bool(head[5] & 0x10)
        return 10 + _synchsafe(head[6:10]) + 10 * has_footer
    if head[:8] == b"APETAGEX" and len(head) == APE_FOOTER_BYTES:
        [size, flags] = struct.unpack_from("<I4xI", head, 12)
        return APE_FOOTER_BYTES + int(size) * bool(flags & APE_IS_HEADER)
    return ID3V1_BYTES if head[:3] == b"TAG" else 0


def _tag_bytes(tail: bytes) -> int:
    """Return the size of the tag that these last bytes end, or 0."""
    if len(tail) == ID3V1_BYTES and tail[:3] == b"TAG":
        return ID3V1_BYTES
    if tail[-APE_FOOTER_BYTES:][:8] == b"APETAGEX":
        [size, flags] = struct.unpack_from("<I4xI", tail, len(tail) - APE_FOOTER_BYTES + 12)
        return int(size) + APE_FOOTER_BYTES * bool(flags & APE_HAS_HEADER)
    if tail[-10:-7] == b"3DI" and max(tail[-4:]) < 0x80:
        return 20 + _synchsafe(tail[-4:])
    if tail[-9:] == b"LYRICS200" and tail[-LYRICS_END_BYTES:-9].isdigit():
        return int(tail[-LYRICS_END_BYTES:-9]) + LYRICS_END_BYTES
    return 0


def _synchsafe(four: bytes) -> int:
    size = 0
    for byte in four:
        size = size << 7 | byte
    return size
