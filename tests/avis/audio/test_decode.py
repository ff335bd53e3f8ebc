import errno
import io
import os
import struct
import tracemalloc
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
import soundfile as sf

from avis import location
from avis.audio.audio_error import AudioError
from avis.audio.codec import quantise
from avis.audio.decode import decode
from avis.audio.quality import measure
from avis.schema import REJECT_REASONS
from avis.storage_fault import ATTEMPTS, StorageError

RATE = 16000
CONTAINERS = [
    ("wav", "WAV", "PCM_U8"),
    ("wav", "WAV", "PCM_16"),
    ("wav", "WAV", "PCM_24"),
    ("wav", "WAV", "PCM_32"),
    ("wav", "WAV", "FLOAT"),
    ("wav", "WAV", "DOUBLE"),
    ("wav", "WAV", "ALAW"),
    ("wav", "WAV", "ULAW"),
    ("wav", "WAVEX", "PCM_24"),
    ("wav", "RF64", "PCM_16"),
    ("w64", "W64", "PCM_16"),
    ("aiff", "AIFF", "PCM_16"),
    ("au", "AU", "PCM_16"),
    ("caf", "CAF", "PCM_16"),
    ("caf", "CAF", "ALAC_16"),
    ("sph", "NIST", "PCM_16"),
    ("sph", "NIST", "ALAW"),
    ("sph", "NIST", "ULAW"),
    ("flac", "FLAC", "PCM_16"),
    ("ogg", "OGG", "VORBIS"),
    ("opus", "OGG", "OPUS"),
    ("mp3", "MP3", "MPEG_LAYER_III"),
]


def tone(duration_s: float = 3.0, rate: int = RATE, hz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(duration_s * rate)) / rate)).astype(np.float32)


def hiss() -> np.ndarray:
    """Three seconds that no codec packs into a single page or frame."""
    return np.random.default_rng(0).normal(0.0, 0.1, 48000).astype(np.float32)


def encoded(samples: np.ndarray, form: str = "WAV", subtype: str = "PCM_16", rate: int = RATE) -> bytes:
    stream = io.BytesIO()
    sf.write(stream, samples, rate, format=form, subtype=subtype)
    return stream.getvalue()


def read(path: Path, data: bytes | None = None, *, min_duration_s: float = 0.1) -> np.ndarray:
    if data is not None:
        path.write_bytes(data)
    return decode(str(path), sample_rate=RATE, min_duration_s=min_duration_s, channel="mix")


def refused(path: Path, data: bytes | None = None, **kwargs: float) -> AudioError:
    with pytest.raises(AudioError) as caught:
        read(path, data, **kwargs)
    assert caught.value.reason in REJECT_REASONS
    assert str(path) in caught.value.detail
    assert str(caught.value) == f"{caught.value.reason}: {caught.value.detail}"
    return caught.value


@pytest.mark.parametrize(("suffix", "form", "subtype"), CONTAINERS)
def test_every_container_gives_the_waveform_back(tmp_path: Path, suffix: str, form: str, subtype: str) -> None:
    x = read(tmp_path / f"a.{suffix}", encoded(tone(), form, subtype))
    assert x.dtype == np.float32
    assert x.shape == (48000,)
    # the steps of A-law and mu-law are at most 1/16 of the value, here 0.5
    tolerance = {"PCM_U8": 2**-7, "ALAW": 2**-5, "ULAW": 2**-5}.get(subtype, 2**-15)
    tolerance = 0.05 if suffix in ("ogg", "opus", "mp3") else tolerance
    assert np.abs(x - tone())[2000:-2000].max() < tolerance


@pytest.mark.parametrize(("suffix", "form", "subtype"), CONTAINERS)
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_cut_file_is_truncated(tmp_path: Path, suffix: str, form: str, subtype: str, share: float) -> None:
    data = encoded(hiss(), form, subtype)
    assert refused(tmp_path / f"a.{suffix}", data[: int(len(data) * share)]).reason == "truncated"


@pytest.mark.parametrize(("suffix", "form", "subtype"), [c for c in CONTAINERS if c[0] != "mp3"])
def test_one_missing_byte_is_truncated(tmp_path: Path, suffix: str, form: str, subtype: str) -> None:
    assert refused(tmp_path / f"a.{suffix}", encoded(hiss(), form, subtype)[:-1]).reason == "truncated"


def test_of_a_cut_file_one_is_told_how_long_it_should_be(tmp_path: Path) -> None:
    """A WAV of 48,000 samples of 16 bit after a header of 44 bytes."""
    detail = refused(tmp_path / "a.wav", encoded(tone())[:1000]).detail
    assert "got a file of 1000 bytes, expected 96044 or more" in detail


@pytest.mark.parametrize(("form", "subtype"), [("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS")])
def test_damage_in_the_middle_is_truncated(tmp_path: Path, form: str, subtype: str) -> None:
    data = bytearray(encoded(hiss(), form, subtype))
    data[len(data) // 2 : len(data) // 2 + 200] = bytes(200)
    assert refused(tmp_path / "a", bytes(data)).reason == "truncated"


def test_a_cut_inside_a_frame_of_an_mp3_without_a_length_header_is_truncated(tmp_path: Path) -> None:
    # MPEG 1 Layer III, 128 kbit/s, 44.1 kHz, 144 * 128000 / 44100 = 417 bytes; side information of zeros is silence
    frames = (b"\xff\xfb\x90\xc4" + bytes(413)) * 100
    assert refused(tmp_path / "whole.mp3", frames).reason == "silent"
    assert refused(tmp_path / "tagged.mp3", frames + b"TAG" + bytes(125)).reason == "silent"
    assert refused(tmp_path / "between.mp3", frames[: 60 * 417]).reason == "silent"
    assert refused(tmp_path / "inside.mp3", frames[: 60 * 417 + 100]).reason == "truncated"


def test_an_absurd_header_allocates_nothing(tmp_path: Path) -> None:
    data = bytearray(encoded(tone(), "FLAC"))
    stream_info = int.from_bytes(data[18:26], "big")
    data[18:26] = (stream_info >> 36 << 36 | 2**36 - 1).to_bytes(8, "big")
    tracemalloc.start()
    assert refused(tmp_path / "a.flac", bytes(data)).reason == "truncated"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6


def test_an_absurd_sample_rate_is_damage(tmp_path: Path) -> None:
    data = bytearray(encoded(tone()))
    data[24:28] = struct.pack("<I", 1)
    assert refused(tmp_path / "a.wav", bytes(data)).reason == "unreadable"


def test_unreadable(tmp_path: Path) -> None:
    (tmp_path / "beside.wav").touch()
    assert refused(tmp_path / "missing.wav").reason == "unreadable"
    assert refused(tmp_path).reason == "unreadable"
    assert refused(tmp_path / "text.wav", b"hello " * 100).reason == "unreadable"
    assert refused(tmp_path / "head.wav", encoded(tone())[:20]).reason == "unreadable"
    os.mkfifo(tmp_path / "pipe.wav")
    assert refused(tmp_path / "pipe.wav").reason == "unreadable"
    assert refused(tmp_path / "nu\0l.wav").reason == "unreadable"


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_damaged_name_of_a_chunk_leaves_no_traceback_of_the_decoders(tmp_path: Path) -> None:
    assert refused(tmp_path / "a.aiff", encoded(tone(), "AIFF").replace(b"SSND", b"SShD")).reason == "unreadable"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_forbidden_file_is_no_bad_file(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(encoded(tone()))
    (tmp_path / "a.wav").chmod(0)
    with pytest.raises(StorageError, match="Check rights"):
        read(tmp_path / "a.wav")


@pytest.mark.parametrize("folder", ["missing", "empty"])
def test_a_file_that_is_missing_with_its_folder_is_no_bad_file(tmp_path: Path, folder: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(StorageError, match=f"mount missing: .* At {tmp_path}/{folder}/a.wav, mount /.*, node "):
        read(tmp_path / folder / "a.wav")


@pytest.mark.parametrize("end_s", [None, 0.5])
def test_a_storage_that_fails_makes_no_bad_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end_s: float | None
) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(encoded(tone()))
    expected = decode(str(path), sample_rate=RATE, min_duration_s=0.1, channel="mix", end_s=end_s)
    opened = location._open_regular
    failures = [OSError(errno.EIO, "Input/output error"), OSError(errno.ESTALE, "Stale file handle")] * 2

    def failing(name: str) -> BinaryIO:
        if failures:
            raise failures.pop()
        return opened(name)

    monkeypatch.setattr(location, "_open_regular", failing)
    got = decode(str(path), sample_rate=RATE, min_duration_s=0.1, channel="mix", end_s=end_s)
    np.testing.assert_array_equal(got, expected)
    failures += [OSError(errno.EIO, "Input/output error")] * ATTEMPTS
    with pytest.raises(StorageError, match=rf"got OSError \(\[Errno 5\] .*in {ATTEMPTS} attempts.* At {path}, mount "):
        decode(str(path), sample_rate=RATE, min_duration_s=0.1, channel="mix", end_s=end_s)


def test_empty(tmp_path: Path) -> None:
    assert refused(tmp_path / "a.wav", b"").reason == "empty"
    assert refused(tmp_path / "b.wav", encoded(tone()[:0])).reason == "empty"
    assert refused(tmp_path / "c.wav", encoded(tone())[:44]).reason == "truncated"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite(tmp_path: Path, bad: float) -> None:
    x = tone()
    x[1234] = bad
    error = refused(tmp_path / "a.wav", encoded(x, subtype="FLOAT"))
    assert error.reason == "non_finite"
    assert "num_bad=1 of 48000" in error.detail
    stereo = np.stack([x, -x], axis=1)
    assert refused(tmp_path / "b.wav", encoded(stereo, subtype="FLOAT")).reason == "non_finite"


def test_samples_far_above_full_scale_are_refused_and_a_few_db_are_not(tmp_path: Path) -> None:
    """16-bit values in a float file would be stored as a square wave."""
    error = refused(tmp_path / "a.wav", encoded(tone() * 32768, subtype="FLOAT"))
    assert error.reason == "over_scale"
    assert "got peak=16384" in error.detail
    assert "volume=1/32768" in error.detail
    right = encoded(tone() * 32768 / np.float32(32768), subtype="FLOAT")
    np.testing.assert_array_equal(read(tmp_path / "b.wav", right), tone())
    assert refused(tmp_path / "c.wav", encoded(-8.01 * tone(), subtype="FLOAT")).reason == "over_scale"
    loud = read(tmp_path / "d.wav", encoded(8.0 * tone(), subtype="FLOAT"))
    assert np.abs(loud).max() == pytest.approx(4.0, abs=1e-3)


def test_what_overshoots_is_clipped_where_it_is_stored_and_counted(tmp_path: Path) -> None:
    """A sine of twice full scale is beyond it in two thirds of the time: its angle lies between 30 and 150 degrees."""
    loud = read(tmp_path / "a.wav", encoded(4.0 * tone(), subtype="FLOAT"))
    assert measure(loud, sample_rate=RATE)["clip_ratio"] == pytest.approx(2 / 3, abs=0.01)
    values = quantise(loud)
    assert (values.min(), values.max()) == (-32768, 32767)
    inside = np.abs(loud) < 1
    np.testing.assert_array_equal(values[inside], np.rint(loud[inside] * 32768))


def test_silence_begins_below_minus_80_dbfs(tmp_path: Path) -> None:
    for level in (0.0, 0.99e-4):
        assert refused(tmp_path / "a.wav", encoded(tone() * 2 * level, subtype="FLOAT")).reason == "silent"
    assert len(read(tmp_path / "b.wav", encoded(tone() * 2 * 1.01e-4, subtype="FLOAT"))) == 48000


def test_an_offset_alone_is_silence_and_opposite_channels_cancel(tmp_path: Path) -> None:
    assert refused(tmp_path / "a.wav", encoded(np.full(48000, 0.2))).reason == "silent"
    assert refused(tmp_path / "b.wav", encoded(np.stack([tone(), -tone()], axis=1))).reason == "silent"


def test_too_short_is_measured_in_seconds_of_the_file(tmp_path: Path) -> None:
    half_second = encoded(tone(0.5, 48000), rate=48000)
    error = refused(tmp_path / "a.wav", half_second, min_duration_s=0.51)
    assert error.reason == "too_short"
    assert "duration_s=0.500 s" in error.detail
    assert len(read(tmp_path / "a.wav", min_duration_s=0.5)) == 8000


@pytest.mark.parametrize(("num_samples", "num_left"), [(5, 0), (6, 1)])
def test_what_resampling_would_leave_nothing_of_is_too_short(tmp_path: Path, num_samples: int, num_left: int) -> None:
    data = encoded(np.linspace(-0.5, 0.5, num_samples), rate=96000)
    if num_left:
        (tmp_path / "a.wav").write_bytes(data)
        assert len(read(tmp_path / "a.wav", min_duration_s=0.0)) == num_left
    else:
        assert refused(tmp_path / "a.wav", data, min_duration_s=0.0).reason == "too_short"


def test_channels_are_averaged_and_the_offset_stays(tmp_path: Path) -> None:
    left, right = tone() * 0.5 + 0.25, tone() * 0.25
    x = read(tmp_path / "a.wav", encoded(np.stack([left, right], axis=1), subtype="FLOAT"))
    np.testing.assert_allclose(x, (left + right) / 2, atol=1e-7)
    assert x.mean() == pytest.approx(0.125, abs=1e-4)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_resampling_keeps_a_tone_and_its_length(tmp_path: Path, rate: int) -> None:
    data = encoded(tone(3.0, rate), rate=rate)
    x = read(tmp_path / "a.wav", data)
    assert len(x) == 48000
    np.testing.assert_allclose(x[800:-800], tone()[800:-800], atol=2e-4)
    assert x.tobytes() == read(tmp_path / "a.wav").tobytes()


def test_resampling_removes_what_the_new_rate_cannot_hold(tmp_path: Path) -> None:
    x = read(tmp_path / "a.wav", encoded(tone(3.0, 48000, hz=12000.0), rate=48000))
    assert np.abs(x[800:-800]).max() < 1e-4


def test_long_recordings_cross_block_borders(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(-9999, 9999, size=(300_000, 2), dtype=np.int16)
    x = read(tmp_path / "a.wav", encoded(values))
    np.testing.assert_allclose(x, values.mean(axis=1) / 32768, atol=1e-7)


@pytest.mark.parametrize("subtype", ["ULAW", "ALAW"])
def test_telephone_codings_decode_by_the_book(tmp_path: Path, subtype: str) -> None:
    """All 256 codes against the formulas of ITU-T G.711."""
    codes = np.arange(256)
    if subtype == "ULAW":
        inverted = 255 - codes
        magnitude = ((2 * (inverted & 15) + 33) << (inverted >> 4 & 7)) - 33
        values = np.where(inverted & 128, -magnitude, magnitude) * 4
    else:
        toggled = codes ^ 0x55
        exponent = toggled >> 4 & 7
        magnitude = np.where(exponent, (2 * (toggled & 15) + 33) << np.maximum(exponent - 1, 0), 2 * (toggled & 15) + 1)
        values = np.where(toggled & 128, magnitude, -magnitude) * 8
    data = bytearray(encoded(np.zeros(4096), subtype=subtype))
    at = data.index(b"data") + 8
    data[at : at + 4096] = bytes(range(256)) * 16
    np.testing.assert_allclose(read(tmp_path / "a.wav", bytes(data))[:256] * 32768, values, atol=1e-3)


def test_a_wrong_suffix_does_no_harm(tmp_path: Path) -> None:
    assert len(read(tmp_path / "flac.wav", encoded(tone(), "FLAC"))) == 48000
    assert len(read(tmp_path / "wav.m4a", encoded(tone()))) == 48000
    for suffix in ("m4a", "aac", "mp3", "sph", "wma", "amr"):
        assert refused(tmp_path / f"text.{suffix}", b"#EXTM3U\n/etc/passwd\n" * 99).reason == "unreadable"


def test_uris_may_hold_spaces_and_percent_signs(tmp_path: Path) -> None:
    path = tmp_path / "Zoë 100%20 ünd" / "a b.wav"
    path.parent.mkdir()
    expected = read(path, encoded(tone()))
    x = decode(f"file://{path}", sample_rate=RATE, min_duration_s=0.1, channel="mix")
    np.testing.assert_array_equal(x, expected)
    for uri in (f"file://{path}.missing", "nosuchscheme://a/b.wav"):
        with pytest.raises(AudioError) as caught:
            decode(uri, sample_rate=RATE, min_duration_s=0.1, channel="mix")
        assert caught.value.reason == "unreadable"


@pytest.mark.shared_data
def test_real_recordings_decode(shared: Path) -> None:
    clips = sorted((shared / "speech" / "commonvoice" / "clips").glob("*.mp3"))[::20]
    noises = sorted((shared / "noise").glob("*.ogg"), key=lambda path: path.stat().st_size)[:4]
    for path in clips + noises + sorted((shared / "rir").glob("*.flac")):
        assert len(decode(str(path), sample_rate=RATE, min_duration_s=0.01, channel="mix")) > 0
