"""Windows along a recording say what was said where, and none of them is embedded of silence."""

import dataclasses

import numpy as np
import pytest

from avis.audio.recording import Hearing
from avis.verifier import Verifier
from avis.verifier.embedder import LEAST_SPEECH_S
from tests.avis.conftest import RATE, talk

SILENCE = 0.001 * np.random.default_rng(0).normal(size=4 * RATE).astype(np.float32)


@pytest.fixture(scope="module")
def verifier(parts):
    return Verifier(parts)


def hearing_trimmed(parts, **changes) -> Verifier:
    hearing: Hearing = dataclasses.replace(parts.hearing, **changes)
    return Verifier(dataclasses.replace(parts, hearing=hearing))


def test_they_lie_hop_by_hop_and_the_last_ends_with_the_recording(verifier):
    made = verifier.windows((talk(1, duration_s=7.0), RATE), length_s=3.0, hop_s=1.5)
    assert made.start_s.tolist() == [0.0, 1.5, 3.0, 4.0]
    assert made.end_s.tolist() == [3.0, 4.5, 6.0, 7.0]
    assert made.embeddings.shape == (4, 16)
    assert made.embeddings.dtype == np.float32


def test_each_is_embedded_as_a_recording_of_its_own(verifier):
    long = talk(1, duration_s=5.0)
    made = verifier.windows((long, RATE), length_s=2.0, hop_s=1.0)
    for start_s, end_s, embedding in zip(made.start_s, made.end_s, made.embeddings, strict=True):
        alone = verifier.embed((long[round(start_s * RATE) : round(end_s * RATE)], RATE))
        assert embedding == pytest.approx(alone.embedding, abs=1e-5)


@pytest.mark.few(2)
@pytest.mark.parametrize("vad", [None, "energy"])
@pytest.mark.parametrize("trim", ["none", "ends", "all"])
def test_one_that_holds_all_is_the_whole_recording(parts, vad, trim):
    verifier = hearing_trimmed(parts, vad=vad, trim=trim if vad else "none")
    source = (np.concatenate([SILENCE, talk(2), SILENCE, talk(3), SILENCE]), RATE)
    made, whole = verifier.windows(source, length_s=60.0, hop_s=1.0), verifier.embed(source)
    assert (made.start_s.tolist(), made.end_s.tolist()) == ([0.0], [18.0])
    assert made.speech_s == pytest.approx([whole.speech_s], abs=0.03)
    assert made.embeddings[0] == pytest.approx(whole.embedding, abs=1e-4)


@pytest.mark.parametrize("trim", ["none", "ends", "all"])
def test_what_lies_in_silence_is_left_out_and_times_are_those_of_the_recording_as_given(parts, trim):
    verifier = hearing_trimmed(parts, vad="energy", trim=trim)
    made = verifier.windows((np.concatenate([SILENCE, talk(2), SILENCE]), RATE), length_s=1.0, hop_s=0.5)
    assert len(made.start_s) >= 3
    assert made.start_s.min() > 3.0
    assert made.end_s.max() < 8.0
    assert (made.speech_s >= LEAST_SPEECH_S).all()
    assert (made.speech_s <= 1.0).all()


@pytest.mark.parametrize("unheard", [SILENCE, np.zeros(RATE, np.float32), talk(1)[:200]])
def test_none_are_made_where_nobody_speaks(verifier, unheard):
    made = verifier.windows((unheard, RATE))
    assert made.embeddings.shape == (0, 16)
    assert len(made.start_s) == len(made.end_s) == len(made.speech_s) == 0


@pytest.mark.parametrize(
    ("length_s", "hop_s"), [(0.4, 0.1), (float("nan"), 1.0), (float("inf"), 1.0), (3.0, 0.0), (3.0, 3.1)]
)
def test_windows_that_leave_something_out_are_refused(verifier, length_s, hop_s):
    with pytest.raises(ValueError, match=r"windows out of range: got .*expected length_s >= 0\.5"):
        verifier.windows((talk(1), RATE), length_s=length_s, hop_s=hop_s)


def test_what_is_no_recording_is_an_error(verifier):
    with pytest.raises(ValueError, match="unreadable"):
        verifier.windows(b"text")
