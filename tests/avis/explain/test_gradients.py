"""Integrated gradients are the integrals, frame by frame, of models whose integrals are known."""

import dataclasses

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients

from avis.explain import gradients
from avis.explain.gradients import integrated_gradients
from avis.verifier import Verifier
from tests.avis.conftest import talk
from tests.avis.explain.closed_form import FRAMES, SEGMENTS, Mean, heard_of, mean_features, side_of, trial

STEPWISE = (1, 3, 7, 15)


def test_frames_are_weighted_as_the_model_weights_them():
    weights = torch.linspace(0, 2 / FRAMES / SEGMENTS, FRAMES * SEGMENTS, dtype=torch.float64)
    case = trial(Mean(weights=weights))
    made, _ = integrated_gradients(case.embedder, case.sides, case.directions)
    pull = case.directions[0] @ case.weight
    features = np.array([mean_features(frame) for frame in np.split(case.sides[0].heard[0].values, FRAMES * SEGMENTS)])
    expected = weights.numpy() * ((features - features.mean(axis=0)) @ pull)
    assert made.frames[0] == pytest.approx(expected, abs=1e-7)
    assert made.num_steps == 5
    assert made.gap == pytest.approx(0, abs=1e-2)


def test_curved_frames_are_integrated_one_by_one():
    case = trial(Mean(shape=lambda features: torch.tanh(20 * features)))
    made, _ = integrated_gradients(case.embedder, case.sides, case.directions)
    pull = case.directions[0] @ case.weight
    features = np.array([mean_features(frame) for frame in np.split(case.sides[0].heard[0].values, FRAMES * SEGMENTS)])
    expected = (np.tanh(20 * features) - np.tanh(20 * features.mean(axis=0))) @ pull / FRAMES / SEGMENTS
    assert made.frames[0] == pytest.approx(expected, abs=2e-2 * np.abs(expected).max())
    assert made.whole - made.baseline == pytest.approx(expected.sum(), abs=1e-5)
    assert made.gap < gradients.MOST_GAP


def test_the_gap_shrinks_with_steps_and_more_are_taken_until_it_is_small(monkeypatch):
    case = trial(Mean(shape=lambda features: torch.tanh(100 * features)))  # nearly a step
    gaps = []
    for num in STEPWISE:
        monkeypatch.setattr(gradients, "STEPS", (num,))
        made, _ = integrated_gradients(case.embedder, case.sides, case.directions)
        assert made.num_steps == num
        gaps.append(made.gap)
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[0] > 10 * gaps[-1]
    monkeypatch.setattr(gradients, "STEPS", STEPWISE)
    made, _ = integrated_gradients(case.embedder, case.sides, case.directions)
    enough = next(place for place, gap in enumerate(gaps) if gap < gradients.MOST_GAP)
    assert (made.num_steps, made.gap) == (STEPWISE[enough], pytest.approx(gaps[enough], rel=1e-4))


def test_windows_of_a_long_recording_count_alike():
    whole, cut = trial(), trial(longest_s=0.5)
    assert len(whole.sides[0].heard[0].values) == 5 * round(0.5 * 16000)
    made, _ = integrated_gradients(cut.embedder, cut.sides, cut.directions)
    within = [
        np.array([mean_features(frame) for frame in np.split(part, FRAMES)])
        for part in np.split(cut.sides[0].heard[0].values, SEGMENTS)
    ]
    pull = cut.directions[0] @ cut.weight
    expected = np.stack([(each - each.mean(axis=0)) @ pull for each in within]) / FRAMES / SEGMENTS
    assert made.frames[0] == pytest.approx(expected.reshape(-1), abs=1e-7)
    assert made.segments[0] == pytest.approx(expected.sum(axis=1), abs=1e-6)
    halves = dataclasses.replace(cut.sides[0].heard[0], edges=np.array([0, 4000, 40000]))  # within a window
    made, _ = integrated_gradients(cut.embedder, (side_of("enroll", halves), cut.sides[1]), cut.directions)
    assert made.segments[0] == pytest.approx([expected[0, :50].sum(), -expected[0, :50].sum()], abs=1e-6)


def test_a_side_without_recordings_has_none():
    case = trial()
    bare = dataclasses.replace(case.sides[0], heard=[])
    nothing, made = integrated_gradients(case.embedder, (bare, case.sides[1]), case.directions)
    assert nothing is None
    assert len(made.segments[0]) == SEGMENTS


@pytest.fixture(scope="module")
def network(parts):
    """Return a network, two recordings of it, and the direction of each other's embedding."""
    verifier = Verifier(parts)
    heard = [heard_of(verifier, (talk(seed, 1.5) * 32767).astype(np.int16), edges=[0, 12000, 24000]) for seed in (1, 2)]
    sides = side_of("enroll", heard[0]), side_of("test", heard[1])
    directions = tuple(
        each.embedding / np.linalg.norm(each.embedding) / np.linalg.norm(other.embedding)
        for each, other in zip(sides[::-1], sides, strict=True)
    )
    return verifier, sides, directions


def test_of_a_network_they_are_complete_and_leave_it_as_it_was(network):
    verifier, sides, directions = network
    before = [(each.requires_grad, each.grad) for each in verifier.model.parameters()]
    for made in integrated_gradients(verifier, sides, directions):
        assert made.gap < gradients.MOST_GAP
        assert made.segments[0].sum() == pytest.approx(made.frames[0].sum(), abs=1e-6)
        assert made.whole == pytest.approx(float(directions[0] @ sides[0].embedding), abs=1e-6)
    assert [(each.requires_grad, each.grad) for each in verifier.model.parameters()] == before


def test_captum_finds_the_same(network, monkeypatch):
    verifier, sides, directions = network
    monkeypatch.setattr(gradients, "STEPS", (20,))
    made, _ = integrated_gradients(verifier, sides, directions)
    with torch.no_grad():
        features = verifier.front_end(torch.from_numpy(sides[0].heard[0].values.astype(np.float32) / 32768))[None]
    pull = torch.from_numpy(directions[0]).float()
    theirs = IntegratedGradients(lambda each: verifier.model(each) @ pull).attribute(
        features, features.mean(dim=1, keepdim=True).expand_as(features), n_steps=20
    )
    expected = theirs[0].sum(dim=1).detach().numpy()
    assert made.frames[0] == pytest.approx(expected, abs=0.02 * np.abs(expected).max())
