import io

import numpy as np
import pytest
import soundfile as sf

from avis.audio.containers.flac import last_sample


@pytest.mark.parametrize("num_samples", [20, 192, 4095, 4096, 4097, 4096 + 256, 100_000, 600_001])
@pytest.mark.parametrize("rate", [8000, 11025, 16000, 44100, 12345])
def test_the_last_frame_tells_the_length(num_samples: int, rate: int) -> None:
    """Frames of 4096 samples or fewer, of noise, in which their marks turn up by chance."""
    stream = io.BytesIO()
    sf.write(stream, np.random.default_rng(0).normal(0.0, 0.3, num_samples), rate, format="FLAC", subtype="PCM_16")
    data = stream.getvalue()
    assert last_sample(data) == num_samples
    unknown = data[:12] + bytes(6) + data[18:]  # smallest and largest frame
    assert last_sample(unknown) == num_samples
    if num_samples > 2 * 4096:
        cut = last_sample(data[: len(data) * 2 // 3])
        assert cut is not None
        assert cut < num_samples
    assert last_sample(data[:42]) is None
