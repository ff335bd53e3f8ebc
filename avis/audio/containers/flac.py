"""Find the recordings in a FLAC file, and how long they are by their last frame (RFC 9639)."""

import functools

from avis.audio.audio_error import more_than_read
from avis.audio.containers.part import Part, Search
from avis.audio.containers.tags import next_header

MAGIC = b"fLaC"
STREAM_INFOS = (b"\x00\x00\x00\x22", b"\x80\x00\x00\x22")
"""Head of the block that comes first, which may be the only one."""

STREAM_INFO_BYTES = 34
HEAD_BYTES = len(MAGIC) + 4 + STREAM_INFO_BYTES
TOTAL_AT = len(MAGIC) + 4 + 10
"""Where the 64 bits begin whose last `TOTAL_BITS` are the number of samples."""

TOTAL_BITS = 36
TAIL_BYTES = 1 << 17
"""How far from the end the last frame is looked for, where the header does not state the largest frame."""

MIN_FRAME_HEAD_BYTES, MAX_FRAME_HEAD_BYTES = 6, 16
CRC8_POLYNOMIAL = 0x07


def find(search: Search) -> list[Part]:
    """Find FLAC streams: joined files follow each other without a word.

    A stream whose header states no length, or fewer samples than its last frame ends at, gets the right one.

    Raises
    ------
    AudioError
        ``more_than_read``: other bytes follow the last frame.
    """
    start, end = search.start, search.end
    if not search.is_whole and _total(search.read(start, HEAD_BYTES)):
        return [Part(form="FLAC", start=start, stop=end, next=end)]
    data = search.read(start, end - start)
    starts = [0]
    for begins in (MAGIC + info for info in STREAM_INFOS):
        at = data.rfind(begins, 1)  # from the end, which Python does four times as fast
        while at > 0:
            starts.append(at)
            at = data.rfind(begins, 1, at)
    starts.sort()
    stops = [*starts[1:], len(data)]
    return [_part(data[a:b], search, start + a) for a, b in zip(starts, stops, strict=True)]


def last_sample(data: bytes) -> int | None:
    """Return the sample after the last one of a FLAC stream, by the number that its last frame bears.

    None where no frame is found near the end.
    """
    first = _first_frame(data)
    largest = int.from_bytes(data[15:18], "big") or TAIL_BYTES
    at = len(data) - MIN_FRAME_HEAD_BYTES + 2
    while (at := data.rfind(data[first : first + 2], max(first, len(data) - largest - MAX_FRAME_HEAD_BYTES), at)) >= 0:
        if data[at + 2] & 0x0F == data[first + 2] & 0x0F and data[at + 3] & 0x0F == data[first + 3] & 0x0F:
            found = _frame_end(data[at : at + MAX_FRAME_HEAD_BYTES], int.from_bytes(data[8:10], "big"))
            if found is not None:
                return found
        at += 1  # the two bytes may overlap those of an earlier find
    return None


def _part(data: bytes, search: Search, start: int) -> Part:
    total = _total(data)
    patches: tuple[tuple[int, bytes], ...] = ()
    found = last_sample(data.rstrip(b"\0")) if len(data) > HEAD_BYTES else total
    if found is None:
        data = data[: next_header(search.file, start + HEAD_BYTES, start + len(data)) - start]
        found = last_sample(data)
    if found is None:
        raise more_than_read(
            search.where,
            f"got no frame near the end of a FLAC stream of {len(data)} bytes, expected the last one there",
            "ffmpeg -i IN OUT.flac",
        )
    if found > total:
        field = int.from_bytes(data[TOTAL_AT : TOTAL_AT + 8], "big") >> TOTAL_BITS << TOTAL_BITS | found
        patches = ((start + TOTAL_AT, field.to_bytes(8, "big")),)
    stop = start + len(data)
    return Part(form="FLAC", start=start, stop=stop, next=stop, patches=patches)


def _total(data: bytes) -> int:
    return int.from_bytes(data[TOTAL_AT : TOTAL_AT + 8], "big") & ((1 << TOTAL_BITS) - 1)


def _first_frame(data: bytes) -> int:
    """Return where the blocks of metadata end."""
    position = len(MAGIC)
    while position + 4 <= len(data):
        is_last = data[position] & 0x80
        position += 4 + int.from_bytes(data[position + 1 : position + 4], "big")
        if is_last:
            break
    return position


def _frame_end(head: bytes, block_size: int) -> int | None:
    """Return the sample after a frame that begins with these bytes; None if no frame does."""
    code, is_variable = head[2] >> 4, head[1] & 1
    num_ones = 8 - (head[4] ^ 0xFF).bit_length()  # as in UTF-8: of so many bytes
    if code == 0 or num_ones == 1 or num_ones == 8:
        return None
    length = max(1, num_ones)
    number = head[4] & (0x7F >> num_ones if num_ones else 0x7F)
    for byte in head[5 : 4 + length]:
        number = number << 6 | byte & 0x3F
    num_extra = {6: 1, 7: 2}.get(code, 0)
    num_samples = int.from_bytes(head[4 + length : 4 + length + num_extra], "big") + 1
    if not num_extra:
        num_samples = 192 if code == 1 else 576 << code - 2 if code < 6 else 256 << code - 8
    checked = 4 + length + num_extra + {12: 1, 13: 2, 14: 2}.get(head[2] & 0x0F, 0)
    if checked >= len(head) or _crc8(head[:checked]) != head[checked]:
        return None
    return (number if is_variable else number * block_size) + num_samples


def _crc8(data: bytes) -> int:
    value = 0
    for byte in data:
        value = _crc8_table()[value ^ byte]
    return value


@functools.cache
def _crc8_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value << 1 ^ CRC8_POLYNOMIAL * (value >> 7)) & 0xFF
        table.append(value)
    return tuple(table)
