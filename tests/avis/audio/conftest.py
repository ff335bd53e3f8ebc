"""Audio files as bytes, made of recordings of known length, and what `decode` reads in them."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile as sf

from avis.audio.audio_error import AudioError
from avis.audio.decode import decode

RATE = 16000


@pytest.fixture(scope="session")
def hiss() -> Callable[..., np.ndarray]:
    """Return what makes noise of a length: ``hiss(2.0, seed=1)``."""

    def make(duration_s: float, seed: int = 0) -> np.ndarray:
        return np.random.default_rng(seed).normal(0.0, 0.1, round(duration_s * RATE)).astype(np.float32)

    return make


@pytest.fixture(scope="session")
def encoded() -> Callable[..., bytes]:
    """Return what encodes samples by libsndfile: ``encoded(samples, "FLAC", "PCM_16")``."""

    def encode(samples: np.ndarray, form: str = "WAV", subtype: str = "PCM_16", rate: int = RATE) -> bytes:
        stream = io.BytesIO()
        sf.write(stream, samples, rate, format=form, subtype=subtype)
        return stream.getvalue()

    return encode


@pytest.fixture(scope="session")
def by_ffmpeg() -> Callable[..., bytes]:
    """Return what encodes each waveform into a track of its own: ``by_ffmpeg([samples], "aac", "ipod")``."""

    def encode(tracks: Sequence[np.ndarray], codec: str, form: str, **options: str) -> bytes:
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

    return encode


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., np.ndarray]:
    """Return what reads a file of these bytes, or a stretch of it: ``read(data, 0.5, 1.5)``."""
    path = tmp_path / "a"

    def decoded(data: bytes, start_s: float = 0.0, end_s: float | None = None) -> np.ndarray:
        path.write_bytes(data)
        return decode(str(path), sample_rate=RATE, min_duration_s=0.01, channel="mix", start_s=start_s, end_s=end_s)

    return decoded


@pytest.fixture
def refused(tmp_path: Path, read: Callable[..., np.ndarray]) -> Callable[..., AudioError]:
    """Return what expects that a file of these bytes, or a stretch of it, is refused: ``refused(data).reason``."""

    def error_of(data: bytes, *stretch: float) -> AudioError:
        with pytest.raises(AudioError) as caught:
            read(data, *stretch)
        assert str(tmp_path / "a") in caught.value.detail
        return caught.value

    return error_of
