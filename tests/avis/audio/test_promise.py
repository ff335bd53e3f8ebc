from pathlib import Path

import pytest
import soundfile as sf

from avis.audio.promise import count_mp3_frames, promised_bytes


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
    assert count_mp3_frames(frames) == 7 * num_samples
    assert count_mp3_frames(tag + frames + b"TAG" + bytes(125)) == 7 * num_samples


def test_a_length_header_or_no_mpeg_frame_leaves_nothing_to_count() -> None:
    assert count_mp3_frames(b"\xff\xfb\x90\xc4" + bytes(17) + b"Info" + bytes(392)) is None
    assert count_mp3_frames(b"hello world") == 0
    # free bit rate, forbidden bit rate, reserved sample rate, reserved version, Layer II
    for header in (
        b"\xff\xfb\x00\xc4",
        b"\xff\xfb\xf0\xc4",
        b"\xff\xfb\x9c\xc4",
        b"\xff\xeb\x90\xc4",
        b"\xff\xfd\x90\xc4",
    ):
        assert count_mp3_frames(header + bytes(1000)) == 0


def end_is_missing(data: bytes) -> bool:
    return len(data) < promised_bytes(data)


def test_wav_chunks_before_the_data_are_skipped() -> None:
    head = b"RIFF\x00\x00\x00\x00WAVE" + b"LIST\x03\x00\x00\x00abc\x00" + b"data\x04\x00\x00\x00"
    assert not end_is_missing(head + b"1234")
    assert not end_is_missing(head + b"1234" + b"LIST\x00\x00\x00\x00")
    assert promised_bytes(head + b"123") == len(head) + 4
    assert end_is_missing(head[:-8])


@pytest.mark.shared_data
def test_counting_real_clips_agrees_with_the_decoder(shared: Path) -> None:
    for path in sorted((shared / "speech" / "commonvoice" / "clips").glob("*.mp3"))[::20]:
        assert count_mp3_frames(path.read_bytes()) == len(sf.read(path)[0])


def box(name: bytes, content: bytes) -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + name + content


def large_box(name: bytes, content: bytes) -> bytes:
    return (1).to_bytes(4, "big") + name + (16 + len(content)).to_bytes(8, "big") + content


@pytest.mark.parametrize("media", [box(b"mdat", bytes(1000)), large_box(b"mdat", bytes(1000))])
@pytest.mark.parametrize("moov_first", [True, False])
def test_an_m4a_has_all_of_its_boxes(media: bytes, moov_first: bool) -> None:
    """ISO/IEC 14496-12: size, name, content; size 1 means that a 64-bit size follows, 0 that the box ends the file."""
    start, index = box(b"ftyp", b"M4A \0\0\2\0"), box(b"moov", bytes(300))
    whole = start + (index + media if moov_first else media + index)
    assert not end_is_missing(whole)
    assert not end_is_missing(whole + box(b"free", bytes(20)))
    for length in (len(start), len(start) + 4, len(whole) // 2, len(whole) - 1):
        assert end_is_missing(whole[:length]), length
    assert not end_is_missing(start + index + (0).to_bytes(4, "big") + b"mdat" + bytes(100))
    assert end_is_missing(start + media)
    assert end_is_missing(start + (7).to_bytes(4, "big") + b"moov" + bytes(100))


def test_a_bare_aac_stream_has_whole_frames() -> None:
    """ISO/IEC 13818-7: a header of 7 bytes with the frame's length, header included, in bits 30 to 42."""
    length = 371
    frame = bytes([0xFF, 0xF1, 0x50, 0x80 | length >> 11, length >> 3 & 0xFF, (length & 7) << 5 | 0x1F, 0xFC])
    frames = (frame + bytes(length - 7)) * 9
    assert not end_is_missing(frames)
    assert not end_is_missing(frames + b"TAG" + bytes(125))
    assert promised_bytes(frames[:-1]) == 9 * length
    assert end_is_missing(frames[: 8 * length + 7])
    assert not end_is_missing(frames[: 8 * length])


@pytest.mark.parametrize("value", ["-i 2", "-s1 2"])
def test_a_sphere_file_is_as_long_as_its_header_says(value: str) -> None:
    lines = f"NIST_1A\n   1024\nchannel_count -i 2\nsample_count -i 50\nsample_n_bytes {value}\nend_head\n"
    whole = lines.encode().ljust(1024, b"\0") + bytes(200)
    assert not end_is_missing(whole)
    assert promised_bytes(whole[:-1]) == 1024 + 50 * 2 * 2
    assert not end_is_missing(whole.replace(b"sample_count", b"some_comment"))
