"""What PyAV reads. The files are made by PyAV too, since nothing else here writes AAC; the waveforms are not."""

import io
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from avis.audio.audio_error import AudioError
from avis.audio.containers.find_parts import find_parts
from avis.audio.containers.headers import ASF_FILE_PROPERTIES
from avis.audio.decode import decode

RATE = 16000
M4A_HEAD = b"\x00\x00\x00\x14ftypM4A \x00\x00\x02\x00isom"


def sweep(duration_s: float, rate: int = RATE) -> np.ndarray:
    """A tone that rises from 300 Hz by 200 Hz a second: where it is tells the time."""
    t = np.arange(round(duration_s * rate)) / rate
    return (0.4 * np.sin(2 * np.pi * (300 * t + 100 * t * t))).astype(np.float32)


@pytest.fixture
def write() -> Callable[..., Path]:
    def written(path: Path, channels: np.ndarray, *, codec: str = "aac", rate: int = RATE, form: str = "ipod") -> Path:
        layout = {1: "mono", 2: "stereo"}[len(channels)]
        stream = io.BytesIO()
        with av.open(stream, "w", format=form) as opened:
            track = opened.add_stream(codec, rate=rate, layout=layout)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(channels), format="fltp", layout=layout)
            frame.sample_rate, frame.pts = rate, 0
            resampler = av.AudioResampler(
                format=track.codec_context.format, layout=layout, rate=rate, frame_size=track.codec_context.frame_size
            )
            for piece in [*resampler.resample(frame), *resampler.resample(None)]:
                opened.mux(track.encode(piece))
            opened.mux(track.encode(None))
        path.write_bytes(stream.getvalue())
        return path

    return written


def read(path: Path, start_s: float = 0.0, end_s: float | None = None, channel: int | str = "mix") -> np.ndarray:
    return decode(str(path), sample_rate=RATE, min_duration_s=0.01, start_s=start_s, end_s=end_s, channel=channel)  # type: ignore[arg-type]


def reason(path: Path, *args: float) -> str:
    with pytest.raises(AudioError) as caught:
        read(path, *args)
    assert str(path) in caught.value.detail
    return caught.value.reason


def error_db(found: np.ndarray, expected: np.ndarray) -> float:
    """Return the error's level against the signal's; it is near 0 dB where they are not aligned."""
    num = min(len(found), len(expected))
    return float(10 * np.log10(np.mean((found - expected)[:num] ** 2) / np.mean(expected[:num] ** 2) + 1e-30))


def test_containers_are_told_by_their_first_bytes() -> None:
    def demuxer(head: bytes) -> str | None:
        return find_parts(io.BytesIO(head), where="a")[0].demuxer

    assert demuxer(M4A_HEAD) == "mov"
    assert demuxer(b"#!AMR\n<") == "amr"
    assert demuxer(b"\xff\xf1\x50\x80") == demuxer(b"\xff\xf9\x50\x80") == "aac"
    assert demuxer(bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")) == "asf"
    # MP3 with and without a tag, WAV, FLAC, a playlist, nothing
    for head in (
        b"\xff\xfb\x90\xc4",
        b"ID3\x04",
        b"RIFF$\0\0\0WAVEfmt ",
        b"fLaC\0\0\0\x22",
        b"#EXTM3U\n",
        b"",
        b"\xff",
    ):
        assert demuxer(head) is None


def test_a_cut_m4a_is_truncated_before_anything_is_decoded(tmp_path: Path) -> None:
    (tmp_path / "a.m4a").write_bytes(M4A_HEAD + b"\x00\x00\x10\x00mdat" + bytes(100))
    assert reason(tmp_path / "a.m4a") == "truncated"


@pytest.mark.parametrize(("codec", "limit_db"), [("aac", -20.0), ("alac", -80.0)])
@pytest.mark.parametrize("rate", [16000, 44100])
def test_m4a_gives_the_waveform_back_in_time(
    tmp_path: Path, write: Callable[..., Path], codec: str, limit_db: float, rate: int
) -> None:
    path = write(tmp_path / "a.m4a", sweep(6.0, rate)[None], codec=codec, rate=rate)
    found = read(path)
    assert found.dtype == np.float32
    assert 6.0 <= len(found) / RATE < 6.2
    middle = slice(RATE // 10, 6 * RATE - RATE // 10)
    assert error_db(found[middle], sweep(6.0)[middle]) < limit_db
    np.testing.assert_array_equal(read(path), found)


@pytest.mark.few(2)
@pytest.mark.parametrize("form", ["ipod", "adts"])
@pytest.mark.parametrize(("start_s", "end_s"), [(0.1, 0.6), (3.3333, 4.4444), (5.0, None)])
def test_a_stretch_equals_the_slice_of_the_whole(
    tmp_path: Path, write: Callable[..., Path], form: str, start_s: float, end_s: float | None
) -> None:
    path = write(tmp_path / "a", sweep(6.0)[None], form=form)
    whole, found = read(path), read(path, start_s, end_s)
    expected = whole[round(start_s * RATE) : None if end_s is None else round(end_s * RATE)]
    assert len(found) == len(expected)
    assert error_db(found, expected) < -60.0


def test_channels_of_an_m4a(tmp_path: Path, write: Callable[..., Path]) -> None:
    left, right = sweep(2.0), 0.5 * sweep(2.0)[::-1]
    path = write(tmp_path / "a.m4a", np.stack([left, right]), codec="alac")
    np.testing.assert_allclose(read(path, channel=1)[: len(left)], left, atol=1e-4)
    np.testing.assert_allclose(read(path, channel=2)[: len(left)], right, atol=1e-4)
    np.testing.assert_allclose(read(path)[: len(left)], (left + right) / 2, atol=1e-4)


def test_a_stretch_without_a_sample_is_too_short(tmp_path: Path, write: Callable[..., Path]) -> None:
    assert reason(write(tmp_path / "a.m4a", sweep(2.0)[None]), 1.0, 1.00001) == "too_short"


def test_what_is_wrong_with_an_m4a_is_said(tmp_path: Path, write: Callable[..., Path]) -> None:
    data = write(tmp_path / "a.m4a", sweep(6.0)[None]).read_bytes()
    for share in (0.3, 0.6, 0.9, 0.999):
        (tmp_path / "cut.m4a").write_bytes(data[: int(len(data) * share)])
        assert reason(tmp_path / "cut.m4a") == "truncated"
    (tmp_path / "cut.m4a").write_bytes(data[:-1])
    assert reason(tmp_path / "cut.m4a") == "truncated"
    assert reason(tmp_path / "a.m4a", 7.0, 8.0) == "truncated"
    assert reason(tmp_path / "a.m4a", 5.0, 9.0) == "truncated"
    assert reason(write(tmp_path / "silent.m4a", np.zeros((1, 32000), np.float32))) == "silent"
    (tmp_path / "text.m4a").write_bytes(M4A_HEAD + b"\x00\x00\x01\x00moov" + b"hello world, " * 30)
    assert reason(tmp_path / "text.m4a") in ("unreadable", "truncated")
    (tmp_path / "right.wav").write_bytes(data)
    assert len(read(tmp_path / "right.wav")) >= 6 * RATE


def test_wma_cut_within_its_header_is_truncated(tmp_path: Path) -> None:
    path = tmp_path / "x.wma"
    magic = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
    path.write_bytes(magic + (1000).to_bytes(8, "little") + bytes(6) + ASF_FILE_PROPERTIES + bytes(30))
    with pytest.raises(AudioError, match="truncated"):
        decode(str(path), sample_rate=16000, min_duration_s=0.0, channel="mix")
