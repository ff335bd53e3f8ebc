"""Files that hold more than their first header admits: all of it is read, or the file is refused by name.

Every file is built from recordings of known length, so that what is right is known without the code.
"""

import io
import itertools
import struct
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile as sf

from avis.audio.audio_error import AudioError
from avis.audio.decode import decode

RATE = 16000
LOSSLESS = [
    ("WAV", "PCM_U8"),
    ("WAV", "PCM_16"),
    ("WAV", "FLOAT"),
    ("WAV", "ULAW"),
    ("WAVEX", "PCM_24"),
    ("RF64", "PCM_16"),
    ("W64", "PCM_16"),
    ("AIFF", "PCM_16"),
    ("AU", "PCM_16"),
    ("CAF", "PCM_16"),
    ("CAF", "ALAC_16"),
    ("NIST", "PCM_16"),
    ("NIST", "ULAW"),
    ("FLAC", "PCM_16"),
]
CONTAINERS = [*LOSSLESS, ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")]
ID3V2 = b"ID3\x04\x00\x00\x00\x00\x01\x02" + bytes(130)
ID3V1 = b"TAG" + bytes(125)
APE = b"APETAGEX" + struct.pack("<IIII", 2000, 32, 0, 0) + bytes(8)
LIST = b"LIST" + struct.pack("<I", 26) + b"INFOISFT" + struct.pack("<I", 14) + b"an encoder 1.0"


def hiss(duration_s: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, 0.1, round(duration_s * RATE)).astype(np.float32)


def encoded(samples: np.ndarray, form: str = "WAV", subtype: str = "PCM_16", rate: int = RATE) -> bytes:
    stream = io.BytesIO()
    sf.write(stream, samples, rate, format=form, subtype=subtype)
    return stream.getvalue()


def by_ffmpeg(tracks: Sequence[np.ndarray], codec: str, form: str, **options: str) -> bytes:
    """Write each waveform into a track of its own."""
    stream = io.BytesIO()
    with av.open(stream, "w", format=form, options=options) as opened:
        streams = [opened.add_stream(codec, rate=RATE, layout="mono") for _ in tracks]
        for track, samples in zip(streams, tracks, strict=True):
            frame = av.AudioFrame.from_ndarray(samples[None].copy(), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = RATE, 0
            context = track.codec_context
            resampler = av.AudioResampler(
                format=context.format, layout="mono", rate=RATE, frame_size=context.frame_size
            )
            for piece in [*resampler.resample(frame), *resampler.resample(None)]:
                opened.mux(track.encode(piece))
            opened.mux(track.encode(None))
    return stream.getvalue()


def put(data: bytes, at: int, value: bytes) -> bytes:
    return data[:at] + value + data[at + len(value) :]


def read(path: Path, data: bytes, start_s: float = 0.0, end_s: float | None = None) -> np.ndarray:
    path.write_bytes(data)
    return decode(str(path), sample_rate=RATE, min_duration_s=0.01, channel="mix", start_s=start_s, end_s=end_s)


def refused(path: Path, data: bytes, *stretch: float) -> AudioError:
    with pytest.raises(AudioError) as caught:
        read(path, data, *stretch)
    assert str(path) in caught.value.detail
    return caught.value


def length_or_reason(path: Path, data: bytes) -> int | str:
    try:
        return len(read(path, data))
    except AudioError as error:
        return error.reason


@pytest.mark.parametrize(("form", "subtype"), CONTAINERS)
@pytest.mark.parametrize("between", [b"", ID3V2, bytes(100)], ids=["", "tags", "zeros"])
def test_joined_files_are_read_one_after_the_other(tmp_path: Path, form: str, subtype: str, between: bytes) -> None:
    """The second has the length of the first: a header that counts one of them cannot be told from the other's."""
    pieces = [encoded(hiss(seconds, seed), form, subtype) for seed, seconds in enumerate((2.0, 2.0, 1.5))]
    expected = np.concatenate([read(tmp_path / "piece", piece) for piece in pieces])
    assert len(expected) == 5.5 * RATE
    joined = between.join(pieces)
    np.testing.assert_array_equal(read(tmp_path / "a", joined), expected)
    for start_s, end_s in [(0.5, 1.5), (1.5, 2.5), (3.0, 4.2), (4.5, 5.5), (0.25, None), (3.5, 5.9)]:
        stop = None if end_s is None else round(end_s * RATE)
        found = read(tmp_path / "a", joined, start_s, end_s)
        exact = expected[round(start_s * RATE) : stop]
        np.testing.assert_allclose(found, exact, rtol=0, atol=1e-6 if form == "MP3" else 0)
    assert refused(tmp_path / "a", joined, 4.0, 7.0).reason == "truncated"


@pytest.mark.parametrize(("form", "subtype"), CONTAINERS)
def test_tags_are_no_audio(tmp_path: Path, form: str, subtype: str) -> None:
    whole = encoded(hiss(2.0), form, subtype)
    expected = read(tmp_path / "a", whole)
    assert len(expected) == 2 * RATE
    for before in (b"", ID3V2, ID3V2 + ID3V2):
        for after in (b"", ID3V1, APE, APE + ID3V1, bytes(1000)):
            np.testing.assert_array_equal(read(tmp_path / "a", before + whole + after), expected)
            stretch = read(tmp_path / "a", before + whole + after, 0.5, 1.0)
            np.testing.assert_allclose(stretch, expected[RATE // 2 : RATE], rtol=0, atol=1e-6)
    assert len(read(tmp_path / "a", ID3V2 + whole + ID3V1 + ID3V2 + whole + ID3V1)) >= 2 * RATE


@pytest.mark.parametrize(("form", "subtype"), [each for each in CONTAINERS if each[0] != "MP3"])
def test_unexplained_bytes_after_the_audio_are_refused(tmp_path: Path, form: str, subtype: str) -> None:
    data = encoded(hiss(2.0), form, subtype) + b"\xee" * 50000
    error = refused(tmp_path / "a", data)
    assert error.reason == "more_than_read"
    assert "got 5000" in error.detail or form == "FLAC"
    assert "Mend it: " in error.detail
    assert refused(tmp_path / "a", data, 1.5, 2.4).reason == "more_than_read"
    assert len(read(tmp_path / "a", data, 0.5, 1.5)) == RATE


SIZE_FIELDS = {
    # container: how to find the length of its audio, and its format
    "WAV": (lambda data: data.index(b"data") + 4, "<I"),
    "RF64": (lambda data: 28, "<Q"),
    "W64": (lambda data: data.index(b"data") + 16, "<Q"),
    "AIFF": (lambda data: data.index(b"SSND") + 4, ">I"),
    "AU": (lambda data: 8, ">I"),
    "CAF": (lambda data: data.index(b"data", 60) + 4, ">Q"),
}


@pytest.mark.parametrize("form", SIZE_FIELDS)
@pytest.mark.parametrize("stated", ["nothing", "a placeholder", "too little"])
@pytest.mark.parametrize("before", [b"", ID3V2], ids=["", "tagged"])
def test_a_length_that_was_never_written_or_is_too_small(tmp_path: Path, form: str, stated: str, before: bytes) -> None:
    samples = hiss(2.0)
    data = encoded(samples, form)
    find, kind = SIZE_FIELDS[form]
    size = {"nothing": 0, "a placeholder": (1 << 8 * struct.calcsize(kind)) - 1, "too little": 16008}[stated]
    data = before + put(data, find(data), struct.pack(kind, size))
    if stated == "too little":
        assert refused(tmp_path / "a", data).reason == "more_than_read"
        assert refused(tmp_path / "a", data, 1.0, 1.5).reason == "more_than_read"
        assert len(read(tmp_path / "a", data, 0.1, 0.4)) == round(0.3 * RATE)
        return
    np.testing.assert_allclose(read(tmp_path / "a", data), samples, atol=1 / 32768)
    np.testing.assert_allclose(read(tmp_path / "a", data + ID3V1), samples, atol=1 / 32768)
    np.testing.assert_allclose(read(tmp_path / "a", data, 1.0, 1.5), samples[RATE : RATE * 3 // 2], atol=1 / 32768)
    np.testing.assert_allclose(read(tmp_path / "a", data, 1.0), samples[RATE:], atol=1 / 32768)
    for following in ("WAV", form):
        assert len(read(tmp_path / "a", data + encoded(hiss(1.5), following))) == 3.5 * RATE


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFF00])
@pytest.mark.parametrize("riff_size", [0, 36, 0xFFFFFFFF])
@pytest.mark.parametrize("num_samples", [32000, 31999])
def test_placeholders_of_wav_and_the_chunks_behind_them(
    tmp_path: Path, size: int, riff_size: int, num_samples: int
) -> None:
    data = encoded(hiss(2.0)[:num_samples])
    data = put(put(data, data.index(b"data") + 4, struct.pack("<I", size)), 4, struct.pack("<I", riff_size))
    expected = read(tmp_path / "a", encoded(hiss(2.0)[:num_samples]))
    for after in (b"", LIST, LIST + LIST, LIST + ID3V1):
        np.testing.assert_array_equal(read(tmp_path / "a", data + after), expected)


@pytest.mark.parametrize("padding", [b"\0", b""])
def test_chunks_after_an_odd_number_of_bytes_may_lack_the_padding(tmp_path: Path, padding: bytes) -> None:
    data = encoded(hiss(2.0)[:31999], subtype="PCM_U8")
    data = data[: data.index(b"data") + 8 + 31999]
    for after in (b"", padding, padding + LIST, padding + LIST + LIST, padding + LIST[:-5], padding + data + padding):
        assert len(read(tmp_path / "a", data + after)) == 31999 * (1 + (after[1:5] == b"RIFF" or after[:4] == b"RIFF"))


def test_bw64_and_big_endian_wav(tmp_path: Path) -> None:
    samples = hiss(2.0)
    np.testing.assert_allclose(read(tmp_path / "a", b"BW64" + encoded(samples, "RF64")[4:]), samples, atol=1 / 32768)
    stream = io.BytesIO()
    sf.write(stream, samples, RATE, format="WAV", subtype="PCM_16", endian="BIG")
    data = stream.getvalue()
    assert data[:4] == b"RIFX"
    np.testing.assert_allclose(read(tmp_path / "a", data), samples, atol=1 / 32768)
    for size in (b"\0\0\0\0", b"\xff\xff\xff\xff"):
        unknown = put(data, data.index(b"data") + 4, size)
        np.testing.assert_allclose(read(tmp_path / "a", unknown + data)[:32000], samples, atol=1 / 32768)


def test_a_wav_without_audio_and_one_with_two_chunks_of_it(tmp_path: Path) -> None:
    data = encoded(hiss(2.0))
    at = data.index(b"data")
    assert refused(tmp_path / "a", data[:at] + b"data" + bytes(4) + LIST).reason == "empty"
    assert refused(tmp_path / "a", data[:at] + b"data" + bytes(4)).reason == "empty"
    assert refused(tmp_path / "a", data + data[at:]).reason == "more_than_read"


@pytest.mark.parametrize("over", [1 << 32, 2 << 32])
@pytest.mark.parametrize("form", ["WAV", "AU"])
def test_a_length_that_counted_round_at_4_gib(tmp_path: Path, over: int, form: str) -> None:
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


@pytest.mark.parametrize("stated", [0, 1000, 31999])
@pytest.mark.parametrize(("num_channels", "subtype"), [(1, "PCM_16"), (2, "PCM_24")])
def test_a_flac_is_read_to_its_last_frame(tmp_path: Path, stated: int, num_channels: int, subtype: str) -> None:
    samples = np.stack([hiss(2.0)] * num_channels, axis=1)
    data = encoded(samples, "FLAC", subtype)
    field = int.from_bytes(data[18:26], "big") >> 36 << 36 | stated
    data = put(data, 18, field.to_bytes(8, "big"))
    for before, after in ((b"", b""), (ID3V2, ID3V1), (b"", data)):
        found = read(tmp_path / "a", before + data + after)
        np.testing.assert_allclose(found[:32000], samples[:, 0], atol=1 / 32768)
        assert len(found) == (64000 if after == data else 32000)
    np.testing.assert_allclose(read(tmp_path / "a", data, 1.0), samples[RATE:, 0], atol=1 / 32768)
    assert refused(tmp_path / "a", data[:-100]).reason == "truncated"


@pytest.mark.parametrize("count", [b"-i 0    ", b"-i 99999", None])
def test_a_sphere_file_goes_by_its_count_or_to_the_end(tmp_path: Path, count: bytes | None) -> None:
    data = encoded(hiss(2.0), "NIST")
    data = data.replace(b"sample_count", b"sample_coint") if count is None else data.replace(b"-i 32000", count, 1)
    if count == b"-i 99999":
        assert refused(tmp_path / "a", data).reason == "truncated"
    else:
        assert len(read(tmp_path / "a", data)) == 32000
    packed = data.replace(b"-s3 pcm\n", b"-s26 pcm,embedded-shorten-v2.00\n")
    assert "sph2pipe" in refused(tmp_path / "a", packed).detail
    assert refused(tmp_path / "a", packed).reason == "unreadable"


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
def test_an_ogg_stream_of_a_recorder_that_was_stopped(tmp_path: Path, codec: str) -> None:
    data = by_ffmpeg([hiss(2.0)], codec, "ogg") if codec == "flac" else encoded(hiss(2.0), "OGG", codec)
    expected = read(tmp_path / "a", data)
    assert len(expected) == 2 * RATE
    stopped = without_last_mark(data)
    np.testing.assert_array_equal(read(tmp_path / "a", stopped), expected)
    assert len(read(tmp_path / "a", stopped, 1.0)) == RATE
    np.testing.assert_array_equal(read(tmp_path / "a", stopped + data), np.concatenate([expected, expected]))
    for cut in (stopped[:-1], data[:-1], data[: len(data) // 2]):
        assert refused(tmp_path / "a", cut).reason == "truncated"


def test_flac_in_ogg_is_read_by_ffmpeg(tmp_path: Path) -> None:
    first, second = hiss(2.0, 1), hiss(1.5, 2)
    data = by_ffmpeg([first], "flac", "ogg") + by_ffmpeg([second], "flac", "ogg")
    both = np.concatenate([first, second])
    np.testing.assert_allclose(read(tmp_path / "a", data), both, atol=1 / 32768)
    np.testing.assert_allclose(read(tmp_path / "a", data, 1.5, 2.5), both[24000:40000], atol=1 / 32768)


@pytest.mark.parametrize("codec", ["libopus", "libvorbis", "flac"])
def test_streams_side_by_side_in_ogg_are_refused(tmp_path: Path, codec: str) -> None:
    data = by_ffmpeg([hiss(2.0), hiss(1.5)], codec, "ogg")
    for stretch in ((), (0.5, 1.0)):
        error = refused(tmp_path / "a", data, *stretch)
        assert error.reason == "more_than_read"
        assert "-map 0:a:0" in error.detail


@pytest.mark.parametrize("codec", ["aac", "alac"])
def test_m4a_with_more_than_one_track_or_file_in_it_is_refused(tmp_path: Path, codec: str) -> None:
    one = by_ffmpeg([hiss(2.0)], codec, "ipod")
    length = len(read(tmp_path / "a", one))
    assert length >= 2 * RATE
    assert len(read(tmp_path / "a", one + ID3V1)) == length
    assert len(read(tmp_path / "a", one + struct.pack(">I", 12) + b"free" + bytes(4))) == length
    for data in (by_ffmpeg([hiss(2.0), hiss(1.5)], codec, "ipod"), one + one, one + b"\xee" * 5000):
        assert refused(tmp_path / "a", data).reason == "more_than_read"
        assert refused(tmp_path / "a", data, 1.5, 3.5).reason == "more_than_read"


@pytest.mark.parametrize("codec", ["aac", "alac"])
@pytest.mark.parametrize(("length_ms", "begin"), [(1000, 1024), (2000, 17024), (500, 0)])
def test_edits_that_hide_audio_are_refused(tmp_path: Path, codec: str, length_ms: int, begin: int) -> None:
    data = by_ffmpeg([hiss(2.0)], codec, "ipod")
    at = data.index(b"elst") + 12
    assert struct.unpack(">I", data[at : at + 4]) == (2000,), "FFmpeg counts in ms here"
    error = refused(tmp_path / "a", put(data, at, struct.pack(">Ii", length_ms, begin)))
    assert error.reason == "more_than_read"
    assert "-ignore_editlist 1" in error.detail


def test_bare_aac_and_wma_are_joined_and_amr_is_not(tmp_path: Path) -> None:
    aac = by_ffmpeg([hiss(2.0)], "aac", "adts")
    one = len(read(tmp_path / "a", aac))
    assert one >= 2 * RATE
    for data in (aac + aac, ID3V2 + aac + ID3V2 + aac + ID3V1):
        assert len(read(tmp_path / "a", data)) == 2 * one
        assert len(read(tmp_path / "a", data, 1.5, 3.0)) == 1.5 * RATE
    assert refused(tmp_path / "a", aac[:-1]).reason == "truncated"
    amr = b"#!AMR\n" + b"\x3c" + bytes(31)
    assert refused(tmp_path / "a", amr + amr).reason == "more_than_read"


@pytest.mark.parametrize("codec", ["libmp3lame", "mp2", "g722", "adpcm_ima_wav", "adpcm_ms", "adpcm_yamaha", "flac"])
def test_compressed_audio_in_wav(tmp_path: Path, codec: str) -> None:
    data = by_ffmpeg([hiss(2.0)], codec, "wav")
    at = data.index(b"data") + 4
    found = read(tmp_path / "a", data)
    assert 2.0 <= len(found) / RATE < 2.2
    np.testing.assert_array_equal(read(tmp_path / "a", put(data, at, bytes(4))), found)
    np.testing.assert_array_equal(read(tmp_path / "a", data + LIST), found)
    assert len(read(tmp_path / "a", data + data)) == 2 * len(found)
    assert len(read(tmp_path / "a", data, 0.5, 1.25)) == 0.75 * RATE
    assert refused(tmp_path / "a", data[:-300]).reason == "truncated"


@pytest.mark.parametrize("subtype", ["GSM610", "IMA_ADPCM", "MS_ADPCM", "G721_32", "NMS_ADPCM_32", "ALAW"])
def test_telephone_codecs_in_wav(tmp_path: Path, subtype: str) -> None:
    data = encoded(hiss(2.0), subtype=subtype)
    found = read(tmp_path / "a", data)
    assert 2.0 <= len(found) / RATE < 2.04
    assert len(read(tmp_path / "a", put(data, data.index(b"data") + 4, bytes(4)))) == len(found)
    assert len(read(tmp_path / "a", data + data)) == 2 * len(found)
    assert refused(tmp_path / "a", data[:-300]).reason == "truncated"


def mp3(kind: str, seed: int) -> tuple[bytes, int]:
    """Return an MP3, of which a length header, or none, goes before, and its number of samples."""
    if kind == "stated":
        return encoded(hiss(2.0, seed), "MP3", "MPEG_LAYER_III"), 32000
    if kind == "constant":
        return by_ffmpeg([hiss(2.0, seed)], "libmp3lame", "mp3", write_xing="0", id3v2_version="0"), 58 * 576
    data = encoded(hiss(2.0, seed), "MP3", "MPEG_LAYER_III")
    return data[data.index(data[:2], 2) :], 58 * 576 - 529  # of a variable rate: less the decoder's delay


@pytest.mark.parametrize("first", ["stated", "constant", "variable"])
@pytest.mark.parametrize("second", ["stated", "constant", "variable", None])
def test_mp3_files_with_and_without_a_length_are_joined(tmp_path: Path, first: str, second: str | None) -> None:
    pieces = [mp3(kind, seed) for seed, kind in enumerate((first, second)) if kind is not None]
    found = read(tmp_path / "a", b"".join(data for data, _ in pieces))
    parts = [read(tmp_path / "b", data) for data, _ in pieces]
    assert [len(part) for part in parts] == [num_samples for _, num_samples in pieces]
    assert len(read(tmp_path / "a", b"".join(data for data, _ in pieces), 1.5, 2.0)) == RATE // 2
    if "stated" in (first, second):
        np.testing.assert_allclose(found, np.concatenate(parts), rtol=0, atol=1e-6)
    elif second is not None:  # one stream, for all that its frames tell
        assert len(found) == 2 * 58 * 576 - 529 * ("variable" in (first, second))


def test_containers_of_several_kinds_are_joined_where_their_rates_agree(tmp_path: Path) -> None:
    kinds = [("FLAC", "PCM_16"), ("WAV", "PCM_16"), ("MP3", "MPEG_LAYER_III"), ("OGG", "VORBIS"), ("WAVEX", "FLOAT")]
    for first, second in itertools.permutations(kinds, 2):
        data = encoded(hiss(2.0), *first) + encoded(hiss(1.5), *second)
        right = "more_than_read" if (first[0], second[0]) == ("FLAC", "MP3") else 3.5 * RATE  # MP3 begins with no name
        assert length_or_reason(tmp_path / "a", data) == right, (first, second)
    data = encoded(hiss(2.0)) + encoded(np.stack([hiss(1.5)] * 2, axis=1))
    assert len(read(tmp_path / "a", data)) == 3.5 * RATE
    error = refused(tmp_path / "a", encoded(hiss(2.0)) + encoded(hiss(2.0), rate=8000))
    assert error.reason == "more_than_read"
    assert "of 16000 and 8000 Hz" in error.detail


def test_files_put_together_at_random_are_never_read_short(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(60):
        form, subtype = CONTAINERS[number % len(CONTAINERS)]
        data, num_samples = b"", 0
        for _ in range(rng.integers(1, 4)):
            samples = hiss(float(rng.integers(1, 20)) / 8, seed=number)
            piece = encoded(samples, form, subtype)
            extras = [b"", b"", ID3V2, bytes(int(rng.integers(1, 50)))]
            data += extras[rng.integers(3)] + piece + extras[rng.integers(2)]
            num_samples += len(samples)
        data += [b"", ID3V1, APE + ID3V1, bytes(64), rng.bytes(500)][rng.integers(5)]
        assert length_or_reason(tmp_path / "a", data) in (num_samples, "more_than_read"), (form, subtype, number)
