import io
import struct

import pytest

from avis.audio.containers.tags import BLOCK_BYTES, after_tags, before_tags, next_header

ID3V1 = b"TAG" + bytes(125)
LYRICS = b"LYRICSBEGIN" + b"a song" + b"000017" + b"LYRICS200"


def ape(content: bytes, *, header: bool) -> bytes:
    """APE tag, version 2: the size counts the content and the footer, but not the header (bit 31: there is one)."""
    flags = header << 31
    ends = [struct.pack("<8sIIII8x", b"APETAGEX", 2000, len(content) + 32, 0, flags | bit << 29) for bit in (1, 0)]
    return ends[0] * header + content + ends[1]


def id3v2(content: bytes, *, footer: bool) -> bytes:
    """ID3v2.4: a size of 28 bits, seven to a byte, which counts neither header nor footer (flag 0x10)."""
    size = bytes(len(content) >> shift & 0x7F for shift in (21, 14, 7, 0))
    end = bytes([4, 0, 0x10 * footer]) + size
    return b"ID3" + end + content + (b"3DI" + end) * footer


@pytest.mark.parametrize(
    "tag",
    [
        b"",
        ID3V1,
        ape(b"some text", header=False),
        ape(b"some text", header=True),
        ape(b"", header=True) + ID3V1,
        LYRICS + ID3V1,
        id3v2(bytes(300), footer=True),
        ape(b"a", header=True) + LYRICS + ID3V1,
    ],
)
def test_tags_at_the_end_are_found(tag: bytes) -> None:
    assert before_tags(io.BytesIO(b"\1" * 200 + tag), 200 + len(tag)) == 200
    assert before_tags(io.BytesIO(tag), len(tag)) == 0


@pytest.mark.parametrize("footer", [True, False])
def test_tags_at_the_beginning_are_found(footer: bool) -> None:
    for tag in (id3v2(bytes(300), footer=footer), ID3V1 + id3v2(b"", footer=footer), ape(b"x", header=True), b""):
        assert after_tags(io.BytesIO(tag + b"RIFF" + bytes(200)), 0) == len(tag)
    assert after_tags(io.BytesIO(b"ID3\4\0\0\xff\0\0\0" + bytes(99)), 0) == 0  # no such size


def test_a_header_across_the_border_of_two_blocks_is_found() -> None:
    for at in (0, 5, BLOCK_BYTES - 9, BLOCK_BYTES - 1, BLOCK_BYTES + 3):
        data = bytes(at) + b"RIFF\1\2\3\4WAVEfmt " + bytes(50)
        assert next_header(io.BytesIO(data), 0, len(data)) == at
    assert next_header(io.BytesIO(bytes(100)), 10, 100) == 100
