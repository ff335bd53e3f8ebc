"""Whom two sides are like besides, by scores that can be told by hand."""

import dataclasses

import numpy as np
import pytest

from avis.explain.cohort import cohort
from avis.explain.explain import explain
from avis.explain.judge import Judge
from avis.scoring.cosine import Cosine
from avis.verifier import Verifier
from avis.verifier.comparison import Comparison
from avis.verifier.voices import Voices
from tests.avis.conftest import RATE, talk

ENROLL, TEST = np.array([1.0, 0.0, 0.0]), np.array([0.6, 0.8, 0.0])
"""Of which the cosine is 0.6."""


def judge() -> Judge:
    comparison = Comparison(Cosine(center=False), None, {})
    return Judge(comparison=comparison, embeddings=(ENROLL, TEST), speech_s=(3.0, 3.0))


def voices(**embeddings) -> Voices:
    return Voices(names=np.array(list(embeddings)), embeddings=np.array(list(embeddings.values()), np.float32))


THREE = {"anna": [0.0, 2.0, 0.0], "bo": [1.0, 0.0, 1.0], "cy": [0.0, 0.0, 1.0]}
"""Cosines with the enrolment: 0, 0.7071, 0; with the test: 0.8, 0.4243, 0."""


def test_of_three_voices_those_are_nearest_that_score_highest_and_one_scores_as_the_trial_does():
    told = cohort(judge(), voices(**THREE), k=2)
    assert [each.voice for each in told.enroll_nearest] == ["bo", "anna"]
    assert [each.score for each in told.enroll_nearest] == pytest.approx([0.5**0.5, 0.0], abs=1e-6)
    assert [each.voice for each in told.test_nearest] == ["anna", "bo"]
    assert [each.score for each in told.test_nearest] == pytest.approx([0.8, 0.6 * 0.5**0.5], abs=1e-6)
    assert (told.num_voices, told.overlap, told.rank_p) == (3, 2, 2 / 4)


def test_of_the_nearest_alone_none_is_of_both():
    assert cohort(judge(), voices(**THREE), k=1).overlap == 0


def test_a_voice_that_scores_just_as_the_enrolment_counts():
    told = cohort(judge(), voices(like=3.0 * ENROLL, **THREE))
    assert told.rank_p == (1 + 2) / (4 + 1)
    assert told.num_voices == len(told.test_nearest) == 4


def test_the_order_of_voices_is_of_no_account():
    rng = np.random.default_rng(0)
    embeddings = {f"v{number}": row for number, row in enumerate(rng.normal(size=(20, 3)))}
    embeddings |= {"a tie": ENROLL, "another": ENROLL}
    there, back = (
        cohort(judge(), voices(**dict(order))) for order in (embeddings.items(), [*embeddings.items()][::-1])
    )
    assert there == back
    assert [each.voice for each in there.enroll_nearest[:2]] == ["a tie", "another"]


def test_one_voice_is_the_nearest_to_both():
    told = cohort(judge(), voices(cy=THREE["cy"]))
    assert (told.overlap, told.rank_p) == (1, 1 / 2)
    assert [each.voice for each in told.enroll_nearest] == [each.voice for each in told.test_nearest] == ["cy"]


@pytest.mark.parametrize("calibrated", [True, False])
def test_scores_are_the_verifier_s_with_the_voice_in_place_of_the_other_side(parts, calibrated):
    parts = parts if calibrated else dataclasses.replace(parts, calibration=None)
    verifier = Verifier(parts)
    sides = [verifier.embed((talk(seed), RATE)) for seed in (1, 2, 3)]
    kept = Voices(names=np.array(["c"]), embeddings=sides[2].embedding[None])
    told = explain(Verifier(dataclasses.replace(parts, voices=kept)), *sides[:2]).cohort
    third = dataclasses.replace(sides[2], speech_s=sides[1].speech_s)
    verdict = verifier.verify(sides[0], third)
    score, bounds = told.enroll_nearest[0].score, verifier.bounds
    assert (np.clip(score, *bounds) if calibrated else score) == pytest.approx(
        verdict.llr if calibrated else verdict.score, abs=1e-4
    )
    assert explain(verifier, *sides[:2]).cohort is None
