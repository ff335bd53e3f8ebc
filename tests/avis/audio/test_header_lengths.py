"""Headers whose length of the audio is missing, a placeholder or wrong: WAV and its kin, FLAC and SPHERE."""

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from avis.audio.decode import decode

RATE = 16000
ID3V2 = b"ID3\x04\x00\x00\x00\x00\x01\x02" + bytes(130)
ID3V1 = b"TAG" + bytes(125)
LIST = b"LIST" + struct.pack("<I", 26) + b"INFOISFT" + struct.pack("<I", 14) + b"an encoder 1.0"


def put(data: bytes, at: int, value: bytes) -> bytes:
    return data[:at] + value + data[at + len(value) :]


SIZE_FIELDS = {
    # container: how to find the length of its audio, and its format
    "WAV": (lambda data: data.index(b"data") + 4, "<I"),
    "RF64": (lambda data: 28, "<Q"),
    "W64": (lambda data: data.index(b"data") + 16, "<Q"),
    "AIFF": (lambda data: data.index(b"SSND") + 4, ">I"),
    "AU": (lambda data: 8, ">I"),
    "CAF": (lambda data: data.index(b"data", 60) + 4, ">Q"),
}


@pytest.mark.few(12)
@pytest.mark.parametrize("form", SIZE_FIELDS)
@pytest.mark.parametrize("written", ["nothing", "a placeholder", "too little"])
@pytest.mark.parametrize("before", [b"", ID3V2], ids=["", "tagged"])
def test_a_length_that_was_never_written_or_is_too_small(
    read: Callable, refused: Callable, hiss: Callable, encoded: Callable, form: str, written: str, before: bytes
) -> None:
    samples = hiss(2.0)
    data = encoded(samples, form)
    find, kind = SIZE_FIELDS[form]
    size = {"nothing": 0, "a placeholder": (1 << 8 * struct.calcsize(kind)) - 1, "too little": 16008}[written]
    data = before + put(data, find(data), struct.pack(kind, size))
    if written == "too little":
        assert refused(data).reason == "more_than_read"
        assert refused(data, 1.0, 1.5).reason == "more_than_read"
        assert len(read(data, 0.1, 0.4)) == round(0.3 * RATE)
        return
    np.testing.assert_allclose(read(data), samples, atol=1 / 32768)
    np.testing.assert_allclose(read(data + ID3V1), samples, atol=1 / 32768)
    np.testing.assert_allclose(read(data, 1.0, 1.5), samples[RATE : RATE * 3 // 2], atol=1 / 32768)
    np.testing.assert_allclose(read(data, 1.0), samples[RATE:], atol=1 / 32768)
    for following in ("WAV", form):
        assert len(read(data + encoded(hiss(1.5), following))) == 3.5 * RATE


@pytest.mark.few(12)
@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFF00])
@pytest.mark.parametrize("riff_size", [0, 36, 0xFFFFFFFF])
@pytest.mark.parametrize("num_samples", [32000, 31999])
def test_placeholders_of_wav_and_the_chunks_behind_them(
    read: Callable, hiss: Callable, encoded: Callable, size: int, riff_size: int, num_samples: int
) -> None:
    data = encoded(hiss(2.0)[:num_samples])
    data = put(put(data, data.index(b"data") + 4, struct.pack("<I", size)), 4, struct.pack("<I", riff_size))
    expected = read(encoded(hiss(2.0)[:num_samples]))
    for after in (b"", LIST, LIST + LIST, LIST + ID3V1):
        np.testing.assert_array_equal(read(data + after), expected)


@pytest.mark.parametrize("padding", [b"\0", b""])
def test_chunks_after_an_odd_number_of_bytes_may_lack_the_padding(
    read: Callable, hiss: Callable, encoded: Callable, padding: bytes
) -> None:
    data = encoded(hiss(2.0)[:31999], subtype="PCM_U8")
    data = data[: data.index(b"data") + 8 + 31999]
    for after in (b"", padding, padding + LIST, padding + LIST + LIST, padding + LIST[:-5], padding + data + padding):
        assert len(read(data + after)) == 31999 * (1 + (after[1:5] == b"RIFF" or after[:4] == b"RIFF"))


def test_bw64_and_big_endian_wav(read: Callable, hiss: Callable, encoded: Callable) -> None:
    samples = hiss(2.0)
    np.testing.assert_allclose(read(b"BW64" + encoded(samples, "RF64")[4:]), samples, atol=1 / 32768)
    stream = io.BytesIO()
    sf.write(stream, samples, RATE, format="WAV", subtype="PCM_16", endian="BIG")
    data = stream.getvalue()
    assert data[:4] == b"RIFX"
    np.testing.assert_allclose(read(data), samples, atol=1 / 32768)
    for size in (b"\0\0\0\0", b"\xff\xff\xff\xff"):
        unknown = put(data, data.index(b"data") + 4, size)
        np.testing.assert_allclose(read(unknown + data)[:32000], samples, atol=1 / 32768)


def test_a_wav_without_audio_and_one_with_two_chunks_of_it(
    refused: Callable, hiss: Callable, encoded: Callable
) -> None:
    data = encoded(hiss(2.0))
    at = data.index(b"data")
    assert refused(data[:at] + b"data" + bytes(4) + LIST).reason == "empty"
    assert refused(data[:at] + b"data" + bytes(4)).reason == "empty"
    assert refused(data + data[at:]).reason == "more_than_read"


@pytest.mark.parametrize("over", [1 << 32, 2 << 32])
@pytest.mark.parametrize("form", ["WAV", "AU"])
def test_a_length_that_counted_round_at_4_gib(
    hiss: Callable, encoded: Callable, tmp_path: Path, over: int, form: str
) -> None:
    """A sparse file, of which a stretch near its end is wanted."""
    path, samples = tmp_path / "a", hiss(3.0)
    data = encoded(samples, form)
    (find, kind), head = SIZE_FIELDS[form], len(data) - 96000
    with path.open("wb") as file:
        file.write(put(data[:head], find(data), struct.pack(kind, 96000)))
        file.seek(head + over)
        file.write(data[head:])
    start_s = over / 2 / RATE
    found = decode(
        str(path), sample_rate=RATE, min_duration_s=0.1, channel="mix", start_s=start_s + 1, end_s=start_s + 3
    )
    np.testing.assert_allclose(found, samples[RATE:], atol=1 / 32768)


@pytest.mark.parametrize("length", [0, 1000, 31999])
@pytest.mark.parametrize(("num_channels", "subtype"), [(1, "PCM_16"), (2, "PCM_24")])
def test_a_flac_is_read_to_its_last_frame(
    read: Callable, refused: Callable, hiss: Callable, encoded: Callable, length: int, num_channels: int, subtype: str
) -> None:
    samples = np.stack([hiss(2.0)] * num_channels, axis=1)
    data = encoded(samples, "FLAC", subtype)
    field = int.from_bytes(data[18:26], "big") >> 36 << 36 | length
    data = put(data, 18, field.to_bytes(8, "big"))
    for before, after in ((b"", b""), (ID3V2, ID3V1), (b"", data)):
        found = read(before + data + after)
        np.testing.assert_allclose(found[:32000], samples[:, 0], atol=1 / 32768)
        assert len(found) == (64000 if after == data else 32000)
    np.testing.assert_allclose(read(data, 1.0), samples[RATE:, 0], atol=1 / 32768)
    assert refused(data[:-100]).reason == "truncated"


@pytest.mark.parametrize("count", [b"-i 0    ", b"-i 99999", None])
def test_a_sphere_file_goes_by_its_count_or_to_the_end(
    read: Callable, refused: Callable, hiss: Callable, encoded: Callable, count: bytes | None
) -> None:
    data = encoded(hiss(2.0), "NIST")
    data = data.replace(b"sample_count", b"sample_coint") if count is None else data.replace(b"-i 32000", count, 1)
    if count == b"-i 99999":
        assert refused(data).reason == "truncated"
    else:
        assert len(read(data)) == 32000
    packed = data.replace(b"-s3 pcm\n", b"-s26 pcm,embedded-shorten-v2.00\n")
    assert "sph2pipe" in refused(packed).detail
    assert refused(packed).reason == "unreadable"


@pytest.mark.parametrize("codec", ["libmp3lame", "mp2", "g722", "adpcm_ima_wav", "adpcm_ms", "adpcm_yamaha", "flac"])
def test_compressed_audio_in_wav(
    read: Callable, refused: Callable, hiss: Callable, by_ffmpeg: Callable, codec: str
) -> None:
    data = by_ffmpeg([hiss(2.0)], codec, "wav")
    at = data.index(b"data") + 4
    found = read(data)
    assert 2.0 <= len(found) / RATE < 2.2
    np.testing.assert_array_equal(read(put(data, at, bytes(4))), found)
    np.testing.assert_array_equal(read(data + LIST), found)
    assert len(read(data + data)) == 2 * len(found)
    assert len(read(data, 0.5, 1.25)) == 0.75 * RATE
    assert refused(data[:-300]).reason == "truncated"


@pytest.mark.parametrize("subtype", ["GSM610", "IMA_ADPCM", "MS_ADPCM", "G721_32", "NMS_ADPCM_32", "ALAW"])
def test_telephone_codecs_in_wav(
    read: Callable, refused: Callable, hiss: Callable, encoded: Callable, subtype: str
) -> None:
    data = encoded(hiss(2.0), subtype=subtype)
    found = read(data)
    assert 2.0 <= len(found) / RATE < 2.04
    assert len(read(put(data, data.index(b"data") + 4, bytes(4)))) == len(found)
    assert len(read(data + data)) == 2 * len(found)
    assert refused(data[:-300]).reason == "truncated"
