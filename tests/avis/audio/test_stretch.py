import io
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from avis.audio.audio_error import AudioError
from avis.audio.decode import decode
from avis.audio.stretch import Stretch
from avis.storage_fault import StorageError

RATE = 16000


def hiss(duration_s: float, num_channels: int = 1) -> np.ndarray:
    shape = (round(duration_s * RATE), num_channels)
    return np.random.default_rng(0).uniform(-0.5, 0.5, shape).astype(np.float32).squeeze()


def cut(path: Path | str, start_s: float, end_s: float | None, **kwargs: float) -> np.ndarray:
    values = {"sample_rate": RATE, "min_duration_s": 0.01} | kwargs
    return decode(str(path), start_s=start_s, end_s=end_s, **{"channel": "mix"} | values)  # type: ignore[arg-type]


def reason(path: Path | str, start_s: float, end_s: float | None, **kwargs: float) -> tuple[str, str]:
    with pytest.raises(AudioError) as caught:
        cut(path, start_s, end_s, **kwargs)
    return caught.value.reason, caught.value.detail


@pytest.mark.parametrize(
    ("suffix", "form", "subtype"),
    [
        ("wav", "WAV", "PCM_U8"),
        ("wav", "WAV", "PCM_16"),
        ("wav", "WAV", "PCM_24"),
        ("wav", "WAV", "PCM_32"),
        ("wav", "WAV", "FLOAT"),
        ("wav", "WAV", "ULAW"),
        ("wav", "WAV", "ALAW"),
        ("sph", "NIST", "PCM_16"),
        ("sph", "NIST", "ULAW"),
        ("flac", "FLAC", "PCM_16"),
    ],
)
@pytest.mark.parametrize(("start_s", "end_s"), [(0.0, 1.0), (1.23456, 4.5), (3.0, None), (0.00001, 5.0)])
def test_a_stretch_equals_the_slice_of_the_whole(
    tmp_path: Path, suffix: str, form: str, subtype: str, start_s: float, end_s: float | None
) -> None:
    path = tmp_path / f"a.{suffix}"
    sf.write(path, hiss(5.0), RATE, format=form, subtype=subtype)
    whole = cut(path, 0.0, None)
    expected = whole[round(start_s * RATE) : None if end_s is None else round(end_s * RATE)]
    np.testing.assert_array_equal(cut(path, start_s, end_s), expected)
    np.testing.assert_array_equal(cut(f"file://{path}", start_s, end_s), expected)


@pytest.mark.parametrize(
    ("form", "subtype", "tolerance"),
    [("OGG", "VORBIS", 0.0), ("OGG", "OPUS", 0.0), ("MP3", "MPEG_LAYER_III", 1e-6)],
)
def test_a_stretch_of_a_lossy_file_is_where_it_should_be(
    tmp_path: Path, form: str, subtype: str, tolerance: float
) -> None:
    path = tmp_path / "a"
    sf.write(path, hiss(5.0), RATE, format=form, subtype=subtype)
    expected = cut(path, 0.0, None)[2 * RATE : 3 * RATE]
    found = cut(path, 2.0, 3.0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)
    np.testing.assert_array_equal(cut(path, 2.0, 3.0), found)


def test_a_stretch_may_overshoot_the_end_by_half_a_second(tmp_path: Path) -> None:
    sf.write(tmp_path / "a.wav", hiss(2.0), RATE)
    assert len(cut(tmp_path / "a.wav", 1.0, 2.5)) == RATE
    kind, detail = reason(tmp_path / "a.wav", 1.0, 2.51)
    assert kind == "truncated"
    assert detail.endswith(f"At {tmp_path}/a.wav from 1.000 s to 2.510 s. Fetch it again or remove it.")
    assert reason(tmp_path / "a.wav", 2.0, 2.1)[0] == "truncated"
    assert reason(tmp_path / "a.wav", 9.0, None)[0] == "truncated"


@pytest.mark.parametrize(("form", "subtype"), [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS")])
def test_what_a_cut_file_still_holds_can_be_used(tmp_path: Path, form: str, subtype: str) -> None:
    stream = io.BytesIO()
    sf.write(stream, hiss(10.0), RATE, format=form, subtype=subtype)
    path = tmp_path / "a"
    path.write_bytes(stream.getvalue()[: len(stream.getvalue()) * 6 // 10])
    assert reason(path, 0.0, None)[0] == "truncated"
    assert reason(path, 8.0, 9.0)[0] == "truncated"
    if form != "OGG":  # cut Ogg has lost the granule positions that seeking needs
        assert len(cut(path, 1.0, 4.0)) == 3 * RATE


def test_rejects_say_which_stretch_and_channel(tmp_path: Path) -> None:
    x = hiss(4.0)
    x[RATE : 2 * RATE] = 0.0
    x[3 * RATE] = np.nan
    path = tmp_path / "a.wav"
    sf.write(path, x, RATE, subtype="FLOAT")
    for kind, start_s, end_s in [("silent", 1.0, 2.0), ("non_finite", 2.5, 3.5), ("too_short", 0.0, 0.005)]:
        found, detail = reason(path, start_s, end_s)
        assert found == kind
        assert f"At {path} from {start_s:.3f} s to {end_s:.3f} s." in detail
    kind, detail = reason(path, 0.0, 1.0, channel=2)
    assert kind == "unreadable"
    assert f"got channel=2, expected 1 to 1. At {path} from 0.000 s to 1.000 s, channel 2." in detail
    assert len(cut(path, 0.0, 1.0)) == RATE


def test_missing_empty_and_other_files(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "text.wav").write_text("hello " * 100)
    os.mkfifo(tmp_path / "pipe.wav")
    for name, expected in [("none", "unreadable"), ("text", "unreadable"), ("pipe", "unreadable"), ("empty", "empty")]:
        assert reason(tmp_path / f"{name}.wav", 1.0, 2.0)[0] == expected
    assert reason(f"file://{tmp_path}/none.wav", 1.0, 2.0)[0] == "unreadable"


def test_a_long_file_is_not_held_in_memory(tmp_path: Path) -> None:
    """Two channels of 16 kHz over 2 hours, 460 MB, as a sparse file."""
    path = tmp_path / "long.wav"
    sf.write(path, hiss(1.0, 2), RATE, subtype="PCM_16")
    num_bytes = 2 * 3600 * RATE * 4
    with path.open("r+b") as file:
        header = file.read(44)
        file.seek(4)
        file.write((36 + num_bytes).to_bytes(4, "little"))
        file.seek(40)
        file.write(num_bytes.to_bytes(4, "little"))
        data = np.round(hiss(3.0, 2) * 32768).astype("<i2")
        file.seek(len(header) + 7000 * RATE * 4)
        file.write(data.tobytes())
        file.truncate(len(header) + num_bytes)
    tracemalloc.start()
    found = cut(path, 7000.0, 7003.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(found, data.mean(axis=1) / 32768, atol=1e-7)
    assert peak < 5e6


def test_an_error_of_the_file_system_is_not_taken_for_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(io.FileIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 300_000:
                raise OSError(5, "Input/output error")
            return super().read(-1 if size is None else size)

    sf.write(tmp_path / "a.wav", hiss(60.0), RATE)
    monkeypatch.setattr("avis.location._open_regular", Failing)
    with pytest.raises(StorageError, match="Input/output error"):
        reason(tmp_path / "a.wav", 30.0, 31.0)


def test_a_stretch_without_a_sample_is_too_short(tmp_path: Path) -> None:
    sf.write(tmp_path / "a.wav", hiss(2.0), RATE)
    name, detail = reason(tmp_path / "a.wav", 1.0, 1.00001, min_duration_s=0.0)
    assert name == "too_short"
    assert detail.startswith("segment too short: got start_s=1.0 s, end_s=1.00001 s")


def test_frames_are_rounded_to_the_nearest() -> None:
    stretch = Stretch(start_s=0.1, end_s=0.30001)
    assert stretch.frames(44100, total=44100, where="x") == (4410, 13230)
    assert str(Stretch(start_s=0.5)) == "from 0.500 s to the end"
    assert Stretch().is_whole
    assert not Stretch(end_s=9.0).is_whole
