import io

import pytest

from avis.audio.containers.find_parts import find_parts


def end_of(data: bytes) -> int:
    return find_parts(io.BytesIO(data), where="a")[-1].stop


def end_is_missing(data: bytes) -> bool:
    return len(data) < end_of(data)


def test_wav_chunks_before_the_data_are_skipped() -> None:
    head = b"RIFF\x00\x00\x00\x00WAVE" + b"LIST\x03\x00\x00\x00abc\x00" + b"data\x04\x00\x00\x00"
    assert not end_is_missing(head + b"1234")
    assert not end_is_missing(head + b"1234" + b"LIST\x00\x00\x00\x00")
    assert end_of(head + b"123") == len(head) + 4


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
    assert end_of(frames[:-1]) == 9 * length
    assert end_is_missing(frames[: 8 * length + 7])
    assert not end_is_missing(frames[: 8 * length])


@pytest.mark.parametrize("value", ["-i 2", "-s1 2"])
def test_a_sphere_file_is_as_long_as_its_header_says(value: str) -> None:
    lines = f"NIST_1A\n   1024\nchannel_count -i 2\nsample_count -i 50\nsample_n_bytes {value}\nend_head\n"
    whole = lines.encode().ljust(1024, b"\0") + bytes(200)
    assert not end_is_missing(whole)
    assert end_of(whole[:-1]) == 1024 + 50 * 2 * 2
    assert not end_is_missing(whole.replace(b"sample_count", b"some_comment"))
