"""Whatever is given as a recording, there is an answer or one clear error, and silence has no score."""

import math
import re

import numpy as np
import pytest
import soundfile as sf

from avis.verifier import Verifier
from tests.avis.bad_recordings import ANSWER, NUM, UNHEARD, bad_recordings
from tests.avis.conftest import RATE, talk


@pytest.fixture(scope="module")
def verifier(parts):
    return Verifier(parts)


CLEAR = re.compile(r"got .*expected .*\. At .*\. \S", re.DOTALL)


def outcome_of(verifier, one, other):
    """Return the outcome, or that there is an error, if either is as it has to be."""
    try:
        verdict = verifier.verify(one, other)
    except (ValueError, OSError) as error:
        return "error" if CLEAR.search(str(error)) else f"no clear error: {error!r}"
    numbers = [verdict.score, verdict.llr, *(verdict.llr_interval or [None])]
    assert all((number is None) == (verdict.outcome == "not_heard") for number in numbers)
    assert all(math.isfinite(number) for number in [*verdict.speech_s, *(each for each in numbers if each is not None)])
    return verdict.outcome


@pytest.mark.slow
@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_bad_recording_is_an_answer_or_one_clear_error(verifier, tmp_path):
    good, num = (talk(1), RATE), 0
    for name, bad, may in bad_recordings(tmp_path):
        for pair in ((good, bad), (bad, good), (bad, bad)):
            assert outcome_of(verifier, *pair) in may, name
        num += 1
    assert num == NUM


@pytest.mark.slow
@pytest.mark.parametrize(("minute", "outcomes"), [("silence", UNHEARD), ("noise", UNHEARD), ("speech", ANSWER)])
def test_three_hours_are_an_answer(verifier, tmp_path, minute, outcomes):
    heard = (
        talk(2, duration_s=60, rate=8000) if minute == "speech" else np.random.default_rng(0).normal(size=480000) / 99
    )
    path = str(tmp_path / "long.wav")
    with sf.SoundFile(path, "w", samplerate=8000, channels=1, subtype="PCM_16") as file:
        for _ in range(180):
            file.write(np.zeros(480000) if minute == "silence" else heard)
    assert outcome_of(verifier, path, (talk(2), RATE)) in outcomes
