"""Find the recordings in an Ogg file: the links of a chain, and the logical streams of each (RFC 3533)."""

import functools
from dataclasses import dataclass, field

from avis.audio.audio_error import AudioError, more_than_read, truncated
from avis.audio.containers.part import Part, Search

HEAD_BYTES = 27
"""Of a page, before the lengths of its segments."""

LARGEST_PAGE = HEAD_BYTES + 255 + 255 * 255
MIN_LARGE_BYTES = 1 << 22
"""From here on, of a file of which a stretch is wanted only the first and the last page are looked at."""

IS_FIRST, IS_LAST = 0x02, 0x04
"""Flags of a logical stream's first and last page."""

CRC_POLYNOMIAL = 0x04C11DB7
NO_POSITION = (1 << 64) - 1
LIBSNDFILE_CODECS = (b"\x01vorbis", b"OpusHead")
FFMPEG_CODECS = (b"\x7fFLAC", b"Speex   ")
"""How a logical stream of audio begins, by who decodes it."""


@dataclass
class _Stream:
    """A logical stream: how it begins, where its last page so far lies and what that says."""

    codec: bytes
    last_page: int = 0
    position: int = 0
    is_closed: bool = False
    in_packet: bool = False


@dataclass
class _Link:
    """What one link of a chain holds."""

    start: int
    stop: int = 0
    streams: dict[int, _Stream] = field(default_factory=dict)
    has_content: bool = False


def find(search: Search) -> list[Part]:
    """Find the links of a chain by walking over all pages; most files have one link.

    A stream of which only the mark of its last page is missing, as recorders leave it that were stopped, gets it.

    Raises
    ------
    AudioError
        ``more_than_read``: a link has several streams of audio.
        ``truncated``: pages are missing in the middle.
        ``unreadable``: a link has no audio that is known.
    """
    links: list[_Link] = []
    position = search.start
    while (head := search.read(position, HEAD_BYTES))[:4] == b"OggS":
        lacing = search.read(position + HEAD_BYTES, head[26]) if len(head) == HEAD_BYTES else b""
        is_first = len(head) > 5 and bool(head[5] & IS_FIRST)
        if not links or (is_first and links[-1].has_content):
            links.append(_Link(start=position))
        link = links[-1]
        if len(head) < HEAD_BYTES or len(lacing) < head[26]:
            link.stop = search.size + 1
            break
        serial, body = int.from_bytes(head[14:18], "little"), position + HEAD_BYTES + len(lacing)
        if is_first:
            link.streams[serial] = _Stream(codec=search.read(body, 8))
        link.has_content = link.has_content or not is_first
        stream = link.streams.get(serial)
        if stream is None or stream.is_closed:
            found = f"got a page of stream {serial:#x} at byte {position}"
            raise truncated(search.where, f"{found}, expected the stream's beginning before it")
        stream.last_page, stream.position = position, int.from_bytes(head[6:14], "little")
        stream.is_closed, stream.in_packet = bool(head[5] & IS_LAST), lacing[-1:] == b"\xff"
        link.stop = position = body + sum(lacing)
        if link.has_content and not search.is_whole and _ends_with(search, link):
            link.stop = search.end
            stream.is_closed = True  # or not: a stretch does not need to know
            break
    return [_part(search, link) for link in links]


def _ends_with(search: Search, link: _Link) -> bool:
    """Tell whether a file too large to walk over ends with a page of this link's, and so has most likely no other."""
    if search.end - link.start < MIN_LARGE_BYTES:
        return False
    tail = search.read(search.end - LARGEST_PAGE, LARGEST_PAGE)
    at = tail.rfind(b"OggS")
    return at >= 0 and int.from_bytes(tail[at + 14 : at + 18], "little") in link.streams


def _part(search: Search, link: _Link) -> Part:
    size, where = search.size, search.where
    audio = [each for each in link.streams.values() if each.codec.startswith((*LIBSNDFILE_CODECS, *FFMPEG_CODECS))]
    if len(audio) > 1:
        raise more_than_read(
            where, f"got {len(audio)} streams of audio side by side, expected one", "ffmpeg -i IN -map 0:a:0 OUT.flac"
        )
    if not audio:
        found = ", ".join(repr(each.codec) for each in link.streams.values()) or "none"
        raise AudioError(
            "unreadable",
            f"no audio: got Ogg streams that begin with {found}, expected Vorbis, Opus, FLAC or Speex. At {where}. "
            "Convert or remove it.",
        )
    [stream] = audio
    stop = max(link.stop, size + 1) if stream.in_packet else link.stop
    is_flac_or_speex = stream.codec.startswith(FFMPEG_CODECS)
    return Part(
        form="Ogg",
        start=link.start,
        stop=stop,
        next=stop,
        patches=() if stream.is_closed or stop > size else _closing(search, stream.last_page),
        min_frames=stream.position if is_flac_or_speex and stream.position != NO_POSITION else None,
        demuxer="ogg" if is_flac_or_speex or len(link.streams) > 1 else None,
    )


def _closing(search: Search, position: int) -> tuple[tuple[int, bytes], ...]:
    """Return the patches that mark a page as the last one."""
    head = search.read(position, HEAD_BYTES)
    num_bytes = head[26] + sum(search.read(position + HEAD_BYTES, head[26]))
    flags = bytes([head[5] | IS_LAST])
    page = head[:5] + flags + head[6:22] + bytes(4) + head[26:] + search.read(position + HEAD_BYTES, num_bytes)
    return (position + 5, flags), (position + 22, _crc32(page).to_bytes(4, "little"))


def _crc32(data: bytes) -> int:
    value, table = 0, _crc32_table()
    for byte in data:
        value = (value << 8 & 0xFFFFFFFF) ^ table[value >> 24 ^ byte]
    return value


@functools.cache
def _crc32_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        remainder = value << 24
        for _ in range(8):
            remainder = (remainder << 1 ^ CRC_POLYNOMIAL * (remainder >> 31)) & 0xFFFFFFFF
        table.append(remainder)
    return tuple(table)
