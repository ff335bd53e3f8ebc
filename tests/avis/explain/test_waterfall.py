"""Every bar of the waterfall, by hand."""

import dataclasses

import numpy as np
import pytest

from avis.explain.explain import explain
from avis.scoring.as_norm import AsNorm
from avis.scoring.cosine import Cosine
from avis.verifier import Verifier
from avis.verifier.voices import Voices
from tests.avis.conftest import RATE, talk

ONE, OTHER = (talk(1), RATE), (talk(2, duration_s=4.0), RATE)


@pytest.fixture
def made(parts):
    """Return a verifier of a back-end that knows four voices."""

    def verifier(backend) -> Verifier:
        embeddings = np.stack([Verifier(parts).embed((talk(seed), RATE)).embedding for seed in range(4)])
        rng = np.random.default_rng(0)
        if backend.needs_fit:
            cohort = np.repeat(embeddings, 5, axis=0)
            backend.fit(cohort + 0.3 * embeddings.std() * rng.normal(size=cohort.shape), np.arange(20))
        voices = Voices(names=np.array(list("abcd")), embeddings=embeddings)
        return Verifier(dataclasses.replace(parts, backend=backend, voices=voices))

    return verifier


def bars_of(explanation) -> dict[str, float]:
    return {bar.part: bar.llr for bar in explanation.waterfall}


def by_hand(verifier):
    """Return the parts of a cosine: of what differs from a usual voice, of what does not, and of two usual voices."""
    one, other = (verifier.embed(each).embedding.astype(np.float64) for each in (ONE, OTHER))
    usual = verifier.voices.embeddings.mean(axis=0, dtype=np.float64)
    norms = np.linalg.norm(one) * np.linalg.norm(other)
    return (one - usual) @ (other - usual) / norms, ((one + other - 2 * usual) @ usual) / norms, usual @ usual / norms


def test_each_bar_of_a_cosine(made):
    verifier = made(Cosine(center=False))
    bars, (apart, common, usual) = bars_of(explain(verifier, ONE, OTHER, checks=False)), by_hand(verifier)
    weights, offset, rule = (verifier.calibration.state()[key] for key in ("weights", "offset", "usual"))
    speech_s = [verifier.embed(each).speech_s for each in (ONE, OTHER)]
    features = np.log([min(speech_s), max(speech_s) / min(speech_s)])
    assert bars["different people, as a rule"] == pytest.approx(weights @ rule + offset)
    speech = sum(llr for part, llr in bars.items() if part.endswith(" s"))
    assert speech == pytest.approx(weights[0] * apart, abs=1e-4)
    beside = weights[0] * (common + usual - rule[0])
    assert bars["likeness to voices in general"] == pytest.approx(beside, abs=1e-4)
    quality = [bars[f"duration, {which}"] for which in ("the lower of both sides", "how far apart both sides are")]
    assert quality == pytest.approx(weights[1:] * (features - rule[1:]), abs=1e-4)
    assert abs(bars.get("rounding to 32 bits", 0.0)) < 1e-3


def test_each_bar_of_a_score_that_is_normalised(made):
    verifier = made(AsNorm(backend=Cosine(center=False), cohort="utterances", top_n=5))
    bars, (apart, common, usual) = bars_of(explain(verifier, ONE, OTHER, checks=False)), by_hand(verifier)
    enroll, test = (verifier.backend.transform(verifier.embed(each).embedding[None]) for each in (ONE, OTHER))
    normalized = verifier.backend.normalized
    zero, one = (float(normalized.normalize(np.array([each]), enroll, test)[0]) for each in (0.0, 1.0))
    weight, rule = verifier.calibration.slope, verifier.calibration.state()["usual"][0]
    slope = one - zero
    speech = sum(llr for part, llr in bars.items() if part.endswith(" s"))
    assert speech == pytest.approx(weight * slope * apart, rel=1e-3)
    assert bars["likeness to voices in general"] == pytest.approx(weight * slope * common, rel=1e-3)
    assert bars["normalisation by the cohort"] == pytest.approx(weight * (zero + slope * usual - rule), rel=1e-3)


def test_the_cap_is_what_it_takes_away(made):
    verifier = made(Cosine(center=False))
    explanation = explain(verifier, ONE, ONE, checks=False)
    uncapped = sum(bar.llr for bar in explanation.waterfall if bar.kind != "cap")
    assert explanation.llr == pytest.approx(verifier.bounds[1])
    assert bars_of(explanation)["cap of the calibration"] == pytest.approx(verifier.bounds[1] - uncapped, abs=1e-5)
    assert uncapped > verifier.bounds[1]
