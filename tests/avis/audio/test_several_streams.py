"""Ogg, M4A, AAC and MP3 of several streams, or whose end no header tells."""

import struct
from collections.abc import Callable

import numpy as np
import pytest

RATE = 16000
ID3V2 = b"ID3\x04\x00\x00\x00\x00\x01\x02" + bytes(130)
ID3V1 = b"TAG" + bytes(125)


def put(data: bytes, at: int, value: bytes) -> bytes:
    return data[:at] + value + data[at + len(value) :]


def ogg_crc(page: bytes) -> int:
    """RFC 3533, section 6: CRC-32 of polynomial 0x04c11db7, bit by bit."""
    value = 0
    for byte in page:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value >> 31 else 0)) & 0xFFFFFFFF
    return value


def without_last_mark(data: bytes) -> bytes:
    at = data.rfind(b"OggS")
    page = put(put(data[at:], 5, bytes([data[at + 5] & ~4])), 22, bytes(4))
    return data[:at] + put(page, 22, struct.pack("<I", ogg_crc(page)))


@pytest.mark.parametrize("codec", ["VORBIS", "OPUS", "flac"])
def test_an_ogg_stream_of_a_recorder_that_was_stopped(
    read: Callable, refused: Callable, hiss: Callable, encoded: Callable, by_ffmpeg: Callable, codec: str
) -> None:
    data = by_ffmpeg([hiss(2.0)], codec, "ogg") if codec == "flac" else encoded(hiss(2.0), "OGG", codec)
    expected = read(data)
    assert len(expected) == 2 * RATE
    stopped = without_last_mark(data)
    np.testing.assert_array_equal(read(stopped), expected)
    assert len(read(stopped, 1.0)) == RATE
    np.testing.assert_array_equal(read(stopped + data), np.concatenate([expected, expected]))
    for cut in (stopped[:-1], data[:-1], data[: len(data) // 2]):
        assert refused(cut).reason == "truncated"


def test_flac_in_ogg_is_read_by_ffmpeg(read: Callable, hiss: Callable, by_ffmpeg: Callable) -> None:
    first, second = hiss(2.0, 1), hiss(1.5, 2)
    data = by_ffmpeg([first], "flac", "ogg") + by_ffmpeg([second], "flac", "ogg")
    both = np.concatenate([first, second])
    np.testing.assert_allclose(read(data), both, atol=1 / 32768)
    np.testing.assert_allclose(read(data, 1.5, 2.5), both[24000:40000], atol=1 / 32768)


@pytest.mark.parametrize("codec", ["libopus", "libvorbis", "flac"])
def test_streams_side_by_side_in_ogg_are_refused(
    refused: Callable, hiss: Callable, by_ffmpeg: Callable, codec: str
) -> None:
    data = by_ffmpeg([hiss(2.0), hiss(1.5)], codec, "ogg")
    for stretch in ((), (0.5, 1.0)):
        error = refused(data, *stretch)
        assert error.reason == "more_than_read"
        assert "-map 0:a:0" in error.detail


@pytest.mark.parametrize("codec", ["aac", "alac"])
def test_m4a_with_more_than_one_track_or_file_in_it_is_refused(
    read: Callable, refused: Callable, hiss: Callable, by_ffmpeg: Callable, codec: str
) -> None:
    one = by_ffmpeg([hiss(2.0)], codec, "ipod")
    length = len(read(one))
    assert length >= 2 * RATE
    assert len(read(one + ID3V1)) == length
    assert len(read(one + struct.pack(">I", 12) + b"free" + bytes(4))) == length
    for data in (by_ffmpeg([hiss(2.0), hiss(1.5)], codec, "ipod"), one + one, one + b"\xee" * 5000):
        assert refused(data).reason == "more_than_read"
        assert refused(data, 1.5, 3.5).reason == "more_than_read"


@pytest.mark.parametrize("codec", ["aac", "alac"])
@pytest.mark.parametrize(("length_ms", "begin"), [(1000, 1024), (2000, 17024), (500, 0)])
def test_edits_that_hide_audio_are_refused(
    refused: Callable, hiss: Callable, by_ffmpeg: Callable, codec: str, length_ms: int, begin: int
) -> None:
    data = by_ffmpeg([hiss(2.0)], codec, "ipod")
    at = data.index(b"elst") + 12
    assert struct.unpack(">I", data[at : at + 4]) == (2000,), "FFmpeg counts in ms here"
    error = refused(put(data, at, struct.pack(">Ii", length_ms, begin)))
    assert error.reason == "more_than_read"
    assert "-ignore_editlist 1" in error.detail


def test_bare_aac_and_wma_are_joined_and_amr_is_not(
    read: Callable, refused: Callable, hiss: Callable, by_ffmpeg: Callable
) -> None:
    aac = by_ffmpeg([hiss(2.0)], "aac", "adts")
    one = len(read(aac))
    assert one >= 2 * RATE
    for data in (aac + aac, ID3V2 + aac + ID3V2 + aac + ID3V1):
        assert len(read(data)) == 2 * one
        assert len(read(data, 1.5, 3.0)) == 1.5 * RATE
    assert refused(aac[:-1]).reason == "truncated"
    amr = b"#!AMR\n" + b"\x3c" + bytes(31)
    assert refused(amr + amr).reason == "more_than_read"


@pytest.fixture
def mp3(hiss: Callable, encoded: Callable, by_ffmpeg: Callable) -> Callable[..., tuple[bytes, int]]:
    """Return what makes an MP3, before which a header of its length goes, or none, and its number of samples."""

    def make(kind: str, seed: int) -> tuple[bytes, int]:
        samples = hiss(2.0, seed)
        if kind == "constant":
            return by_ffmpeg([samples], "libmp3lame", "mp3", write_xing="0", id3v2_version="0"), 58 * 576
        data = encoded(samples, "MP3", "MPEG_LAYER_III")
        if kind == "header":
            return data, 32000
        return data[data.index(data[:2], 2) :], 58 * 576 - 529  # of a variable rate: less the decoder's delay

    return make


@pytest.mark.parametrize("first", ["header", "constant", "variable"])
@pytest.mark.parametrize("second", ["header", "constant", "variable", None])
def test_mp3_files_with_and_without_a_length_are_joined(
    read: Callable, mp3: Callable, first: str, second: str | None
) -> None:
    pieces = [mp3(kind, seed) for seed, kind in enumerate((first, second)) if kind is not None]
    found = read(b"".join(data for data, _ in pieces))
    parts = [read(data) for data, _ in pieces]
    assert [len(part) for part in parts] == [num_samples for _, num_samples in pieces]
    assert len(read(b"".join(data for data, _ in pieces), 1.5, 2.0)) == RATE // 2
    if "header" in (first, second):
        np.testing.assert_allclose(found, np.concatenate(parts), rtol=0, atol=1e-6)
    elif second is not None:  # one stream, for all that its frames tell
        assert len(found) == 2 * 58 * 576 - 529 * ("variable" in (first, second))
