from typing import Literal

import numpy as np
import pytest
import soundfile as sf

from avis.audio.codec import FLAC_MAGIC, encode, read_all, read_crop

Encoding = Literal["flac", "pcm16"]
both = pytest.mark.parametrize("encoding", ["flac", "pcm16"])


def steps(num: int = 50_000) -> np.ndarray:
    return np.random.default_rng(0).integers(-32768, 32768, num)


@both
def test_sixteen_bit_values_come_back_exactly(encoding: Encoding) -> None:
    x = (steps() / 32768).astype(np.float32)
    audio = encode(x, sample_rate=16000, encoding=encoding)
    assert read_all(audio).dtype == np.float32
    np.testing.assert_array_equal(read_all(audio), x)
    assert audio == encode(x, sample_rate=16000, encoding=encoding)


@both
def test_rounding_is_to_the_nearest_even_step_and_clips(encoding: Encoding) -> None:
    x = np.array([0.4, 0.5, 0.6, 1.5, -0.5, -1.5, 40000.0, 32767.4, -40000.0], np.float32) / np.float32(32768)
    expected = np.array([0, 0, 1, 2, 0, -2, 32767, 32767, -32768])
    audio = encode(x, sample_rate=16000, encoding=encoding)
    np.testing.assert_array_equal(read_all(audio) * 32768, expected)


@both
def test_every_crop_equals_the_slice(encoding: Encoding) -> None:
    x = (steps() / 32768).astype(np.float32)
    audio = encode(x, sample_rate=16000, encoding=encoding)
    for start, num in [(0, 50_000), (0, 1), (49_999, 1), (4095, 2), (4096, 4096), (12_345, 32_000), (50_000, 0)]:
        crop = read_crop(audio, start=start, num=num)
        assert crop.dtype == np.float32
        np.testing.assert_array_equal(crop, x[start : start + num])


@both
@pytest.mark.parametrize(("start", "num"), [(-1, 10), (0, 101), (95, 6), (3, -1)])
def test_a_crop_outside_is_refused(encoding: Encoding, start: int, num: int) -> None:
    audio = encode(np.zeros(100, np.float32), sample_rate=16000, encoding=encoding)
    with pytest.raises(ValueError, match=f"got start={start}, num={num} samples.*inside 100 samples"):
        read_crop(audio, start=start, num=num)


def test_pcm16_is_little_endian_and_never_looks_like_flac() -> None:
    assert encode(np.array([1 / 32768], np.float32), sample_rate=16000, encoding="pcm16") == b"\x01\x00"
    trap = np.frombuffer(FLAC_MAGIC + b"\x01\x00", "<i2")
    audio = encode((trap / 32768).astype(np.float32), sample_rate=16000, encoding="pcm16")
    np.testing.assert_array_equal(read_all(audio) * 32768, [trap[0] - 1, trap[1], 1])


def test_flac_is_readable_elsewhere_at_its_rate(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "a.flac").write_bytes(encode(np.zeros(100, np.float32), sample_rate=8000, encoding="flac"))
    info = sf.info(tmp_path / "a.flac")
    assert (info.samplerate, info.channels, info.subtype, info.frames) == (8000, 1, "PCM_16", 100)


def test_unknown_encoding_is_refused() -> None:
    with pytest.raises(ValueError, match="got encoding='mp3', expected 'flac' or 'pcm16'"):
        encode(np.zeros(10, np.float32), sample_rate=16000, encoding="mp3")  # type: ignore[arg-type]
