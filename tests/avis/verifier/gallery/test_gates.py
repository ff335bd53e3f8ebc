"""A recording in which two people speak is told from one in which one does."""

import dataclasses

import numpy as np
import pytest

from avis.verifier import Gates, Verifier, Windows
from avis.verifier.gallery.gates import has_second_voice


class Heard(Verifier):
    """A verifier to which every recording is these windows."""

    embeddings: np.ndarray

    def windows(self, source, *, length_s=3.0, hop_s=1.5):
        num = len(self.embeddings)
        start_s = hop_s * np.arange(num)
        return Windows(
            start_s=start_s, end_s=start_s + length_s, speech_s=np.full(num, length_s), embeddings=self.embeddings
        )


@pytest.fixture
def hears_two(sure, voice):
    """Return whether a second voice is heard in windows of these people."""

    def heard(people) -> bool:
        verifier = Heard(sure.parts)
        verifier.embeddings = np.stack([voice(person, take).embedding for take, person in enumerate(people)])
        return has_second_voice(verifier, b"")

    return heard


def test_two_who_take_turns_are_heard(hears_two):
    assert hears_two([0, 0, 0, 1, 1, 0, 0])
    assert hears_two([0, 0, 0, 0, 0, 0, 1])


@pytest.mark.parametrize("num", [1, 2, 3, 4, 5, 10, 40])
def test_one_voice_is_one_however_its_windows_are_grouped(hears_two, num):
    assert not hears_two([0] * num)


def test_few_windows_tell_nothing(hears_two):
    assert not hears_two([0, 1, 1])


def test_each_lack_is_said(voice):
    bad = dataclasses.replace(voice(0), speech_s=1.0, quality={"snr_db": 3.0, "clip_ratio": 0.05})
    assert [why.partition(":")[0] for why in Gates().refusals(bad)] == [
        "1.00 s of speech, of which it takes 2 s",
        "noisy",
        "clipped",
    ]
    assert not list(Gates().refusals(dataclasses.replace(bad, speech_s=2.0, quality={})))
