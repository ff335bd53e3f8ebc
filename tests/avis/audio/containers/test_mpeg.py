from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from avis.audio.containers.mpeg import count_samples
from avis.audio.decode import decode


@pytest.mark.parametrize(
    ("header", "num_bytes", "num_samples"),
    [
        # 144 * bit rate / sample rate for MPEG 1, 72 * for MPEG 2 and 2.5, plus one byte of padding
        (b"\xff\xfb\x90\xc4", 417, 1152),  # 128 kbit/s, 44.1 kHz
        (b"\xff\xfb\x92\xc4", 418, 1152),  # with padding
        (b"\xff\xfb\x54\xc4", 192, 1152),  # 64 kbit/s, 48 kHz
        (b"\xff\xf3\x88\xc4", 288, 576),  # 64 kbit/s, 16 kHz, MPEG 2
        (b"\xff\xe3\x28\xc4", 144, 576),  # 16 kbit/s, 8 kHz, MPEG 2.5
    ],
)
def test_mp3_frames_are_counted(header: bytes, num_bytes: int, num_samples: int) -> None:
    frames = (header + bytes(num_bytes - 4)) * 7
    tag = b"ID3\x04\x00\x00\x00\x00\x01\x02" + bytes(130)
    assert count_samples(frames) == 7 * num_samples
    assert count_samples(tag + frames + b"TAG" + bytes(125)) == 7 * num_samples


def test_what_is_no_frame_is_not_counted() -> None:
    assert count_samples(b"hello world") == 0
    # free bit rate, forbidden bit rate, reserved sample rate, reserved version, Layer I
    for header in (
        b"\xff\xfb\x00\xc4",
        b"\xff\xfb\xf0\xc4",
        b"\xff\xfb\x9c\xc4",
        b"\xff\xeb\x90\xc4",
        b"\xff\xff\x90\xc4",
    ):
        assert count_samples(header + bytes(1000)) == 0


@pytest.mark.shared_data
def test_counting_real_clips_agrees_with_the_decoder(shared: Path) -> None:
    for path in sorted((shared / "speech" / "commonvoice" / "clips").glob("*.mp3"))[::20]:
        assert count_samples(path.read_bytes()) == len(sf.read(path)[0])


def test_more_frames_than_the_length_header_counts_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.mp3"
    sf.write(path, 0.3 * np.sin(np.arange(32000) / 9), 16000)
    data = path.read_bytes()
    count = max(data.find(b"Xing"), data.find(b"Info")) + 8
    path.write_bytes(data[:count] + (29).to_bytes(4, "big") + data[count + 4 :])
    samples = decode(str(path), sample_rate=16000, min_duration_s=0.0, channel="mix")
    assert len(samples) > 32000 - 2 * 576


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_erased_flash_behind_a_recording_takes_no_longer_the_more_of_it_there_is(tmp_path: Path) -> None:
    """In time that grows with the square of its length, this would take a quarter of an hour."""
    path = tmp_path / "x.mp3"
    sf.write(path, 0.3 * np.sin(np.arange(32000) / 9), 16000)
    path.write_bytes(path.read_bytes() + b"\xff" * 2_000_000)
    assert len(decode(str(path), sample_rate=16000, min_duration_s=0.0, channel="mix")) == 32000
