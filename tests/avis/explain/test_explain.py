"""Explanations of trials: exactly additive, the same answer as the verifier's, and about the right recording."""

import dataclasses

import numpy as np
import pytest
import soundfile as sf

from avis.explain.caption.captioner import Captioner
from avis.explain.caption.folder import NEEDED, read_captioner, write_captioner
from avis.explain.caption.model import CaptionModel, Sizes
from avis.explain.caption.vocabulary import Vocabulary
from avis.explain.explain import explain
from avis.explain.faithfulness.statistics import Mean
from avis.scoring.as_norm import AsNorm
from avis.scoring.chain import Chain
from avis.scoring.cosine import Cosine
from avis.scoring.length_norm import LengthNorm
from avis.scoring.plda import Plda
from avis.scoring.wccn import Wccn
from avis.verifier import Verifier
from avis.verifier.folder import write_folder
from tests.avis.conftest import RATE, talk

BACKENDS = {
    "plain cosine": Cosine(center=False),
    "centred cosine": Cosine(center=True),
    "wccn, as-norm": AsNorm(backend=Wccn(shrinkage=0.1), cohort="speakers", top_n=5),
    "plda": Chain(steps=[LengthNorm(), Plda(num_iterations=2)]),
    "plda, as-norm": AsNorm(backend=Plda(num_iterations=2), cohort="utterances", top_n=20),
}


@pytest.fixture(params=BACKENDS)
def verifier(request, parts) -> Verifier:
    backend, whole = BACKENDS[request.param], Verifier(parts)
    if backend.needs_fit:
        rng = np.random.default_rng(0)
        like = np.stack([whole.embed((talk(seed), RATE)).embedding for seed in range(4)])
        voices = like.mean(axis=0) + like.std() * rng.normal(size=(20, 1, whole.dim))
        utterances = voices + 0.5 * like.std() * rng.normal(size=(20, 5, whole.dim))
        backend.fit(utterances.reshape(100, -1), np.repeat(np.arange(20), 5))
    return Verifier(dataclasses.replace(parts, backend=backend))


@pytest.mark.few(2)
def test_a_ratio_is_the_sum_of_its_parts(verifier):
    one, other = (talk(1), RATE), (talk(2), RATE)
    explanation, verdict = explain(verifier, one, other, checks=False), verifier.verify(one, other)
    assert explanation.llr == pytest.approx(verdict.llr, abs=1e-5)
    assert sum(bar.llr for bar in explanation.waterfall) == pytest.approx(explanation.llr, abs=1e-4)
    assert (explanation.score_norm is not None) == (verifier.backend.normalized is not None)


@pytest.mark.few(2)
def test_stretches_and_steps_add_up_to_the_same(verifier):
    explanation = explain(verifier, (talk(1), RATE), (talk(2, duration_s=4.2), RATE), checks=False)
    for side in ("enroll", "test"):
        of_segments = [each for each in explanation.segments if each.side == side]
        (of_frames,) = [each for each in explanation.frames if each.side == side]
        bars = [
            bar for bar in explanation.waterfall if bar.part.startswith("enrolment " if side == "enroll" else "test ")
        ]
        assert sum(each.llr for each in of_segments) == pytest.approx(sum(of_frames.llr), abs=1e-6)
        assert [bar.llr for bar in bars] == [each.llr for each in of_segments]
        assert of_segments[0].start_s == of_frames.start_s[0] == 0.0
        assert of_segments[-1].end_s == of_frames.start_s[-1] == pytest.approx(3.0 if side == "enroll" else 4.2)


@pytest.mark.few(2)
def test_what_stretches_find_in_each_other_adds_up_to_the_score(verifier):
    evidence = explain(verifier, (talk(1), RATE), (talk(2), RATE), checks=False).evidence
    assert np.sum(evidence.values) + evidence.rest == pytest.approx(evidence.total)
    assert np.shape(evidence.values) == (len(evidence.enroll), len(evidence.test)) == (3, 3)


@pytest.mark.few(2)
def test_sides_may_be_exchanged(verifier):
    one, other = (talk(1), RATE), (talk(2), RATE)
    there, back = (explain(verifier, *pair, checks=False) for pair in ((one, other), (other, one)))
    assert there.llr == pytest.approx(back.llr, abs=1e-5)
    exchanged = {"enroll": "test", "test": "enroll"}
    shares = {(each.side, each.start_s): each.llr for each in there.segments}
    for each in back.segments:
        assert each.llr == pytest.approx(shares[exchanged[each.side], each.start_s], abs=1e-4)


@pytest.mark.few(2)
def test_several_recordings_of_a_person_are_told_apart(verifier):
    person, test = [(talk(1), RATE), (talk(3, duration_s=2.0), RATE)], (talk(2), RATE)
    explanation = explain(verifier, person, test, checks=False)
    assert sum(bar.llr for bar in explanation.waterfall) == pytest.approx(explanation.llr, abs=1e-4)
    assert {bar.part.split()[1] for bar in explanation.waterfall if bar.part.startswith("enrolment ")} == {"1", "2"}
    assert [each.recording for each in explanation.sides] == [0, 1, 0]


@pytest.mark.few(2)
def test_recordings_keep_their_numbers_beside_one_that_is_silent(verifier, tmp_path):
    silent, named = str(tmp_path / "silent.wav"), str(tmp_path / "b\x1b.wav")
    sf.write(silent, np.zeros(RATE), RATE)
    sf.write(named, talk(3), RATE)
    explanation = explain(verifier, [silent, (talk(1), RATE), named], (talk(2), RATE), checks=False)
    assert [(each.recording, each.name) for each in explanation.sides if each.side == "enroll"] == [
        (0, silent),
        (1, ""),
        (2, str(tmp_path / "b\\x1b.wav")),
    ]
    assert {each.recording for each in explanation.segments if each.side == "enroll"} == {1, 2}
    assert {bar.part.split()[1] for bar in explanation.waterfall if bar.part.startswith("enrolment ")} == {"2", "3"}
    assert any(warning.startswith("Recording 1 of the enrolment") for warning in explanation.warnings)


@pytest.mark.few(2)
def test_of_a_voiceprint_there_is_one_part_and_the_recording_has_the_others(verifier):
    voiceprint, test = verifier.embed((talk(1), RATE)), (talk(2), RATE)
    explanation, told_apart = (explain(verifier, each, test, checks=False) for each in (voiceprint, (talk(1), RATE)))
    assert explanation.llr == pytest.approx(told_apart.llr, abs=1e-4)
    assert sum(bar.llr for bar in explanation.waterfall) == pytest.approx(explanation.llr, abs=1e-4)
    assert {each.side for each in explanation.segments} == {"test"}
    assert explanation.evidence is None


def test_a_caption_is_told_beside_all_else_and_changes_none_of_it(parts, tmp_path):
    write_folder(str(tmp_path), parts)
    one, other = (talk(1), RATE), (talk(2), RATE)
    plain = Verifier.load(tmp_path)
    without = explain(plain, one, other, checks=False)
    assert without.caption is None
    with pytest.raises(ValueError, match=r"no captioner: .*avis caption run=<run>"):
        explain(plain, one, other, checks=False, caption=True)
    vocabulary = Vocabulary.of(["The evidence speaks for one speaker."])
    sizes = Sizes(dim=plain.dim, num_phrases=len(vocabulary), longest=8, width=8, layers=1)
    worth = dict.fromkeys(NEEDED, Mean(value=0.5, interval=None, num_trials=1))
    write_captioner(plain, Captioner(CaptionModel(sizes).eval(), vocabulary, worth), trained_on={})
    told = explain(plain, one, other, checks=False, caption=True)
    assert told.model_copy(update={"caption": None}) == without
    pair = np.stack([plain.embed(each).embedding for each in (one, other)])
    assert [told.caption.text] == read_captioner(plain).say(pair[None])
    assert explain(plain, (np.zeros(RATE), RATE), other, caption=True).caption is None
