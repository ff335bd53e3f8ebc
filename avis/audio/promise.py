"""Find out how long a recording should be, where decoders shorten a cut file without a word."""

import struct

STREAMED_WAV_BYTES = 0x7FFFF000
"""Data sizes from here on are placeholders of programs that write WAV to a pipe and cannot go back to the header."""

STREAMED_AIFF_BYTES, STREAMED_AU_BYTES, MAX_STATED_BYTES = 0x7F000000, 0xFFFFFFFF, 1 << 62
"""Likewise of AIFF (from here on) and AU (just this one), and of lengths of 64 bit (above)."""

MP3_SLACK_FRAMES = 2 * 1152
"""Encoders differ by up to two MPEG frames on whether the Xing frame and the last partial frame are counted."""

CHUNK_HEAD_BYTES = 8
"""Name and size of a chunk of WAV or a box of MP4."""

OGG_HEAD_BYTES = 27
"""Of a page, before the lengths of its segments."""

BIT_RATES_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
BIT_RATES_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)
"""Of Layer III in kbit/s, by the header's index, in MPEG 1 and in MPEG 2 and 2.5; 0 for free and forbidden."""

SAMPLE_RATES_HZ = (44100, 48000, 32000)
"""Of MPEG 1; MPEG 2 has half and MPEG 2.5 a quarter of them."""


def promised_bytes(data: bytes) -> int:
    """Return the least number of bytes of an intact file that begins like this one, as its container says.

    0 for containers other than WAV, RF64, W64, AIFF, AU, SPHERE, Ogg, M4A and bare AAC, and for lengths that the header
    leaves open.
    """
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return _wav_bytes(data)
    if data[:4] in (b"RF64", b"riff", b"FORM", b".snd"):
        return _stated_bytes(data)
    if data[:4] == b"OggS":
        return _ogg_bytes(data)
    if data[:7] == b"NIST_1A":
        return _sphere_bytes(data)
    if data[4:8] == b"ftyp":
        return _mp4_bytes(data)
    if len(data) > 1 and data[0] == 0xFF and data[1] & 0xF6 == 0xF0:
        return _adts_bytes(data)
    return 0


def promised_frames(data: bytes, container: str, stated: int) -> int:
    """Return the least number of frames that an intact file decodes to.

    Parameters
    ----------
    data
        The whole file.
    container
        libsndfile's name of it, such as ``MP3``.
    stated
        Number of frames by libsndfile, which for MP3 may be a guess.
    """
    if container != "MP3":
        return stated
    counted = count_mp3_frames(data)
    return stated - MP3_SLACK_FRAMES if counted is None else counted


def count_mp3_frames(data: bytes) -> int | None:
    """Count the samples per channel of an MP3 by its MPEG frame headers; None where a Xing or Info header states them.

    Without that header libsndfile guesses the length from the file's size and stops there, which cuts files of
    variable bit rate short. Counting ends at the first bytes that are no Layer III header, such as tags at the end.

    References
    ----------
    ISO/IEC 11172-3, section 2.4.2.3, and 13818-3 (headers); https://id3.org/id3v2.4.0-structure (tags before them).
    """
    position = 0
    if data[:3] == b"ID3" and len(data) >= 10:
        size = 0
        for byte in data[6:10]:
            size = size << 7 | byte & 0x7F
        position = 10 + size
    head = data[position : position + 64]
    if b"Xing" in head or b"Info" in head:
        return None
    num_frames = 0
    while (found := _mpeg_frame(data[position : position + 4])) is not None:
        num_bytes, num_samples = found
        num_frames += num_samples
        position += num_bytes
    return num_frames


def _mpeg_frame(header: bytes) -> tuple[int, int] | None:
    """Return bytes and samples of a Layer III frame, or None if this is no header of one."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return None
    version = header[1] >> 3 & 3
    is_version_1 = version == 3
    bit_rate = (BIT_RATES_1 if is_version_1 else BIT_RATES_2)[header[2] >> 4] * 1000
    rate_index = header[2] >> 2 & 3
    if bit_rate == 0 or rate_index == 3 or version == 1:
        return None
    sample_rate = SAMPLE_RATES_HZ[rate_index] // {3: 1, 2: 2, 0: 4}[version]
    num_samples = 1152 if is_version_1 else 576
    return num_samples // 8 * bit_rate // sample_rate + (header[2] >> 1 & 1), num_samples


def _wav_bytes(data: bytes) -> int:
    position = 12
    while position + CHUNK_HEAD_BYTES <= len(data):
        name, size = struct.unpack_from("<4sI", data, position)
        position += CHUNK_HEAD_BYTES
        if name == b"data":
            return 0 if size >= STREAMED_WAV_BYTES else position + size
        position += size + size % 2
    return position + CHUNK_HEAD_BYTES


def _stated_bytes(data: bytes) -> int:
    """Read the length that RF64, W64 (``riff``), AIFF (``FORM``) and AU (``.snd``) state at their very beginning."""
    if data[:4] == b"RF64":  # EBU Tech 3306: in the ds64 chunk, which comes first
        size = CHUNK_HEAD_BYTES + int.from_bytes(data[20:28], "little")
        return 0 if size > MAX_STATED_BYTES else size
    if data[:4] == b"riff":
        size = int.from_bytes(data[16:24], "little")
        return 0 if size > MAX_STATED_BYTES else size
    if data[:4] == b"FORM":
        size = int.from_bytes(data[4:8], "big")
        return 0 if size >= STREAMED_AIFF_BYTES else CHUNK_HEAD_BYTES + size
    offset, size = int.from_bytes(data[4:8], "big"), int.from_bytes(data[8:12], "big")
    return 0 if size == STREAMED_AU_BYTES else offset + size


def _ogg_bytes(data: bytes) -> int:
    """Go by the last page: it must be whole and carry the end-of-stream flag (RFC 3533, section 6)."""
    page = data.rfind(b"OggS")
    if page + OGG_HEAD_BYTES > len(data):
        return page + OGG_HEAD_BYTES
    is_last = bool(data[page + 5] & 0x04)
    num_segments = data[page + 26]
    lacing = data[page + OGG_HEAD_BYTES : page + OGG_HEAD_BYTES + num_segments]
    end = page + OGG_HEAD_BYTES + num_segments + sum(lacing)
    return end if is_last else max(end, len(data)) + OGG_HEAD_BYTES


def _sphere_bytes(data: bytes) -> int:
    """Go by the header's sizes (NIST SPHERE: lines of ``name -type value`` below the header's length)."""
    lines = [line.split(None, 2) for line in data[:1024].decode("latin-1").splitlines()]
    values = {line[0]: line[2] for line in lines if len(line) == 3}
    try:
        num_header = int(lines[1][0])
        sizes = [int(values[name]) for name in ("sample_count", "channel_count", "sample_n_bytes")]
    except (KeyError, ValueError, IndexError):
        return 0
    return num_header + sizes[0] * sizes[1] * sizes[2]


def _mp4_bytes(data: bytes) -> int:
    """Walk the boxes at the top level: all must fit, and ``moov`` be among them (ISO/IEC 14496-12, section 4.2)."""
    position, names = 0, set()
    while position + CHUNK_HEAD_BYTES <= len(data):
        size, name = struct.unpack_from(">I4s", data, position)
        if size == 1 and position + 16 <= len(data):
            [size] = struct.unpack_from(">Q", data, position + CHUNK_HEAD_BYTES)
        names.add(name)
        if size == 0:  # up to the end of the file, wherever that is
            break
        if size < CHUNK_HEAD_BYTES:
            return len(data) + 1
        position += size
    return position if b"moov" in names else max(position, len(data)) + CHUNK_HEAD_BYTES


def _adts_bytes(data: bytes) -> int:
    """Walk the frames: the last must be whole (ISO/IEC 13818-7, section 6.2). Tags after them end the walk."""
    position = 0
    while position + 7 <= len(data) and data[position] == 0xFF and data[position + 1] & 0xF6 == 0xF0:
        size = (data[position + 3] & 3) << 11 | data[position + 4] << 3 | data[position + 5] >> 5
        if size < 7:
            return len(data) + 1
        position += size
    return position
