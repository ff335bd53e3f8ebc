"""Files that hold more than their first header admits: all of it is read, or the file is refused by name.

Every file is built from recordings of known length, so that what is right is known without the code.
"""

import itertools
import struct
from collections.abc import Callable

import numpy as np
import pytest

from avis.audio.audio_error import AudioError

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


@pytest.fixture
def length_or_reason(read: Callable) -> Callable[[bytes], int | str]:
    """Return what gives the number of samples that are read, or why none are."""

    def outcome(data: bytes) -> int | str:
        try:
            return len(read(data))
        except AudioError as error:
            return error.reason

    return outcome


@pytest.mark.few(8)
@pytest.mark.parametrize(("form", "subtype"), CONTAINERS)
@pytest.mark.parametrize("between", [b"", ID3V2, bytes(100)], ids=["", "tags", "zeros"])
def test_joined_files_are_read_one_after_the_other(
    read: Callable, refused: Callable, hiss: Callable, encoded: Callable, form: str, subtype: str, between: bytes
) -> None:
    """The second has the length of the first: a header that counts one of them cannot be told from the other's."""
    pieces = [encoded(hiss(seconds, seed), form, subtype) for seed, seconds in enumerate((2.0, 2.0, 1.5))]
    expected = np.concatenate([read(piece) for piece in pieces])
    assert len(expected) == 5.5 * RATE
    joined = between.join(pieces)
    np.testing.assert_array_equal(read(joined), expected)
    for start_s, end_s in [(0.5, 1.5), (1.5, 2.5), (3.0, 4.2), (4.5, 5.5), (0.25, None), (3.5, 5.9)]:
        stop = None if end_s is None else round(end_s * RATE)
        stretch = read(joined, start_s, end_s)
        exact = expected[round(start_s * RATE) : stop]
        np.testing.assert_allclose(stretch, exact, rtol=0, atol=1e-6 if form == "MP3" else 0)
    assert refused(joined, 4.0, 7.0).reason == "truncated"


@pytest.mark.few(6)
@pytest.mark.parametrize(("form", "subtype"), CONTAINERS)
def test_tags_are_no_audio(read: Callable, hiss: Callable, encoded: Callable, form: str, subtype: str) -> None:
    whole = encoded(hiss(2.0), form, subtype)
    expected = read(whole)
    assert len(expected) == 2 * RATE
    for before in (b"", ID3V2, ID3V2 + ID3V2):
        for after in (b"", ID3V1, APE, APE + ID3V1, bytes(1000)):
            np.testing.assert_array_equal(read(before + whole + after), expected)
            stretch = read(before + whole + after, 0.5, 1.0)
            np.testing.assert_allclose(stretch, expected[RATE // 2 : RATE], rtol=0, atol=1e-6)
    assert len(read(ID3V2 + whole + ID3V1 + ID3V2 + whole + ID3V1)) >= 2 * RATE


@pytest.mark.parametrize(("form", "subtype"), [each for each in CONTAINERS if each[0] != "MP3"])
def test_unexplained_bytes_after_the_audio_are_refused(
    read: Callable, refused: Callable, hiss: Callable, encoded: Callable, form: str, subtype: str
) -> None:
    data = encoded(hiss(2.0), form, subtype) + b"\xee" * 50000
    error = refused(data)
    assert error.reason == "more_than_read"
    assert "got 5000" in error.detail or form == "FLAC"
    assert "Mend it: " in error.detail
    assert refused(data, 1.5, 2.4).reason == "more_than_read"
    assert len(read(data, 0.5, 1.5)) == RATE


def test_containers_of_several_kinds_are_joined_where_their_rates_agree(
    read: Callable, refused: Callable, length_or_reason: Callable, hiss: Callable, encoded: Callable
) -> None:
    kinds = [("FLAC", "PCM_16"), ("WAV", "PCM_16"), ("MP3", "MPEG_LAYER_III"), ("OGG", "VORBIS"), ("WAVEX", "FLOAT")]
    for first, second in itertools.permutations(kinds, 2):
        data = encoded(hiss(2.0), *first) + encoded(hiss(1.5), *second)
        right = "more_than_read" if (first[0], second[0]) == ("FLAC", "MP3") else 3.5 * RATE  # MP3 begins with no name
        assert length_or_reason(data) == right, (first, second)
    data = encoded(hiss(2.0)) + encoded(np.stack([hiss(1.5)] * 2, axis=1))
    assert len(read(data)) == 3.5 * RATE
    error = refused(encoded(hiss(2.0)) + encoded(hiss(2.0), rate=8000))
    assert error.reason == "more_than_read"
    assert "of 16000 and 8000 Hz" in error.detail


def test_files_put_together_at_random_are_never_read_short(
    length_or_reason: Callable, hiss: Callable, encoded: Callable
) -> None:
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
        assert length_or_reason(data) in (num_samples, "more_than_read"), (form, subtype, number)
