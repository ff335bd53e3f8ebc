"""Shares of stretches: what both sides have in common beyond what they have in common with everybody."""

import dataclasses

import numpy as np
import pytest

from avis.explain.explain import explain
from avis.explain.shares import shares, take_apart
from avis.explain.side import side_of
from avis.scoring.cosine import Cosine
from avis.scoring.plda import Plda
from avis.verifier import Verifier
from avis.verifier.voices import Voices
from tests.avis.conftest import RATE, talk


@pytest.fixture
def sides(parts):
    return tuple(side_of(Verifier(parts), name, (talk(seed), RATE)) for seed, name in enumerate(("enroll", "test")))


def told(backend, sides, usual):
    return shares(backend, sides, take_apart(backend, sides, usual))


def test_stretches_of_both_sides_add_up_to_what_differs_from_a_usual_voice(sides):
    one, other = (side.embedding for side in sides)
    usual = (one + other) / 3
    found = told(Cosine(center=False), sides, usual)
    norms = np.linalg.norm(one) * np.linalg.norm(other)
    halves = [of_side[0].sum() for of_side in found.segments]
    assert halves == pytest.approx([(one - usual) @ (other - usual) / norms / 2] * 2)
    assert found.common == pytest.approx(((one - usual) @ usual + (other - usual) @ usual) / norms)
    assert found.usual == pytest.approx(usual @ usual / norms)


def test_against_a_usual_voice_nothing_speaks_for_anybody(sides):
    (enroll,), (test,) = told(Cosine(center=False), sides, sides[1].embedding).segments
    assert enroll == pytest.approx(0.0, abs=1e-9)
    assert test.sum() == pytest.approx(0.0, abs=1e-7)


def test_a_stretch_counts_by_what_it_adds_beyond_its_length_of_a_usual_voice(sides):
    (heard,), other = sides[0].heard, sides[1].embedding
    usual = np.full(other.size, 0.1)
    norms = np.linalg.norm(sides[0].embedding) * np.linalg.norm(other)
    lengths = np.diff(heard.edges) / len(heard.values)
    by_hand = [
        (heard.in_segments(heard.of_frames)[each] - lengths[each] * (usual - heard.rest)) @ (other - usual) / norms / 2
        for each in range(len(lengths))
    ]
    found = told(Cosine(center=False), sides, usual).segments[0][0]
    assert found == pytest.approx(by_hand, abs=0.02 * np.abs(by_hand).max())  # a frame lies on either side of an edge


@pytest.mark.parametrize("center", [False, True])
def test_where_no_usual_voice_is_known_it_is_what_the_back_end_subtracts_or_of_no_frame(sides, center):
    backend = Cosine(center=center)
    (one, other), rests = (side.embedding for side in sides), [side.heard[0].rest for side in sides]
    if center:
        mean = (one + other) / 4
        backend.fit(np.stack([mean - 0.1, mean + 0.1]), np.arange(2))
        rests = [mean, mean]
    whole, usual = np.array([one, other]), np.array(rests)
    cosines = (whole - usual) / np.linalg.norm(whole - usual if center else whole, axis=1, keepdims=True)
    assert sum(each[0].sum() for each in told(backend, sides, None).segments) == pytest.approx(
        cosines[0] @ cosines[1], rel=1e-5
    )


def test_what_plda_makes_of_a_side_alone_counts_from_a_usual_voice_too(sides):
    rng = np.random.default_rng(0)
    dim = sides[0].embedding.size
    voices = rng.normal(size=(20, 1, dim)) + 0.3 * rng.normal(size=(20, 4, dim))
    plda = Plda(num_iterations=1)
    plda.fit(voices.reshape(80, -1), np.repeat(np.arange(20), 4))
    usual = rng.normal(size=dim)
    found, form = told(plda, sides, usual), plda.form()
    for side, other, of_side in zip(sides, sides[::-1], found.segments, strict=True):
        own, its = plda.affine_at(side.embedding), plda.affine_at(other.embedding)
        apart, of_other = (side.embedding - usual) @ own.matrix, (other.embedding - usual) @ its.matrix
        by_hand = np.sum(form.cross * apart * of_other) / 2 + np.sum(form.own * apart**2)
        assert of_side[0].sum() == pytest.approx(by_hand)


def test_a_verifier_knows_a_usual_voice_by_its_voices(parts):
    """What is alike in all voices, much where a plain cosine hardly tells them apart, is told of no stretch."""
    one, other = (talk(1), RATE), (talk(2), RATE)
    embeddings = np.stack([Verifier(parts).embed((talk(seed), RATE)).embedding for seed in range(4)])
    voices = Voices(names=np.array(list("abcd")), embeddings=embeddings)
    parts = dataclasses.replace(parts, backend=Cosine(center=False))
    knowing = explain(Verifier(dataclasses.replace(parts, voices=voices)), one, other, checks=False)
    ignorant = explain(Verifier(parts), one, other, checks=False)
    assert knowing.llr == ignorant.llr
    for found in (knowing, ignorant):
        assert sum(bar.llr for bar in found.waterfall) == pytest.approx(found.llr, abs=1e-4)
    of_speech = [sum(each.llr for each in found.segments) for found in (knowing, ignorant)]
    assert abs(of_speech[0]) < abs(of_speech[1])
