"""What the scripts say and measure by themselves is what the library does."""

import dataclasses
import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest

from avis.audio.quality import measure
from avis.verifier import Identification, Verdict
from avis.verifier.gallery.gates import Gates
from avis.verifier.gallery.identification import Candidate
from tests.avis.conftest import talk

pytestmark = pytest.mark.slow


def test_the_words_are_those_of_the_library(browser):
    grid = [-40.0, -3.0, -0.31, 0.0, 0.5, 2.2966, 4.6, 6.75, 12.0, 60.0]
    pairs = [pair for pair in itertools.product(grid, grid) if pair[0] <= pair[1]]
    verdicts = [
        Verdict(
            outcome=outcome, llr=llr, llr_interval=None if llr is None else pair, llr_bounds=None, score=0.3217,
            threshold=math.log(99), speech_s=(1.26, speech_s), quality=({}, {}), warnings=(),
        )
        for outcome in ("match", "no_match", "unsure", "not_heard")
        for pair in pairs for llr in (*pair, None) for speech_s in (0.75, 60.0)
        if llr is not None or outcome in ("unsure", "not_heard")
    ]  # fmt: skip
    shown = browser.run(
        "return arguments[0].map((each) => `${OUTCOMES[each.outcome]}: ${verdictLine(each)}`)",
        [each.plain() for each in verdicts],
    )
    assert shown == [str(each) for each in verdicts]
    people = [
        Candidate(speaker=name, score=0.5, llr=llr, llr_interval=(llr - 1, llr + 1))
        for name, llr in (("a: b", 3.0), ("c", 1.0))
    ]
    found = [
        Identification(
            outcome=outcome, speaker=None, candidates=candidates, margin=margin, threshold=threshold, num_enrolled=1200,
            speech_s=0.34, quality={}, warnings=(),
        )
        for outcome in ("match", "not_enrolled", "unsure", "not_heard")
        for candidates in (people[:1], people, [dataclasses.replace(people[0], llr=None, llr_interval=None)])
        for margin in (None, 0.0, 2.0) for threshold in (None, 7.3)
    ]  # fmt: skip
    shown = browser.run(
        "return arguments[0].map((each) => namedWords(each).join(': '))", [each.plain() for each in found]
    )
    assert shown == [str(each) for each in found]


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
@pytest.mark.parametrize("spoilt", ["not", "short", "noisy", "clipped"])
def test_recordings_are_measured_and_told_to_be_enough_as_the_library_does(browser, rate, spoilt):
    voice = talk(5, duration_s=2.0 if spoilt == "short" else 8.0, rate=rate)
    if spoilt == "noisy":
        voice += 0.04 * np.random.default_rng(0).normal(size=len(voice)).astype(np.float32)
    if spoilt == "clipped":
        voice[: len(voice) // 50] = 1.0
    samples = np.round(voice * 32767).clip(-32768, 32767).astype(np.int16)
    script = """
      const [samples, rate] = arguments;
      const sound = new Sound(rate);
      for (let at = 0; at < samples.length; at += 2048) sound.hear(Int16Array.from(samples.slice(at, at + 2048)));
      return { ...quality(sound), clip_ratio: sound.clip_ratio };
    """
    measured = browser.run(script, samples.tolist(), rate)
    expected = measure((samples / np.float32(32768)).astype(np.float32), sample_rate=rate)
    assert measured["speech_s"] == pytest.approx(expected["speech_s"], abs=0.03)
    assert measured["snr_db"] == pytest.approx(expected["snr_db"], abs=0.3)
    assert measured["clip_ratio"] == pytest.approx(expected["clip_ratio"])
    voiceprint = SimpleNamespace(speech_s=expected["speech_s"], quality=expected)
    refusals = list(Gates().refusals(voiceprint))
    assert len(measured["lacks"]) == len(refusals) == (spoilt != "not")
