"""What a model heard of a recording, and where that was."""

import dataclasses

import numpy as np
import pytest
import torch

from avis.explain.heard import Heard, hear
from avis.models.decomposition import decompose
from avis.verifier import Verifier, Voiceprint
from avis.verifier.embedder import take
from tests.avis.conftest import RATE, talk


@pytest.fixture
def verifier(parts) -> Verifier:
    return Verifier(parts)


@pytest.fixture
def trimming(parts) -> Verifier:
    return Verifier(dataclasses.replace(parts, hearing=dataclasses.replace(parts.hearing, vad="energy", trim="all")))


def spoken_between(*spans_s: tuple[float, float], duration_s: float) -> np.ndarray:
    """Return speech within these spans, and hardly anything elsewhere."""
    samples = 1e-4 * np.random.default_rng(0).normal(size=round(duration_s * RATE))
    for number, (start_s, end_s) in enumerate(spans_s):
        place = slice(round(start_s * RATE), round(end_s * RATE))
        samples[place] += talk(number, duration_s=end_s - start_s)[: place.stop - place.start]
    return samples.astype(np.float32)


def test_parts_add_up_to_the_embedding_of_the_verifier(verifier):
    heard, voiceprint = hear(verifier, (talk(1), RATE)), verifier.embed((talk(1), RATE))
    np.testing.assert_allclose(heard.embedding, voiceprint.embedding, atol=1e-5)
    np.testing.assert_allclose(heard.of_frames.sum(axis=0) + heard.rest, heard.embedding, atol=1e-5)
    np.testing.assert_allclose(heard.in_segments(heard.of_frames).sum(axis=0), heard.of_frames.sum(axis=0), atol=1e-9)
    assert heard.voiceprint.sha256 == voiceprint.sha256


def test_a_long_recording_is_the_mean_of_its_windows(parts):
    verifier = Verifier(dataclasses.replace(parts, max_window_s=2.0))
    heard = hear(verifier, (talk(1, duration_s=5.0), RATE))
    np.testing.assert_allclose(heard.embedding, verifier.embed((talk(1, duration_s=5.0), RATE)).embedding, atol=1e-5)
    np.testing.assert_allclose(heard.of_frames.sum(axis=0) + heard.rest, heard.embedding, atol=1e-5)
    assert heard.frame_edges[0] == 0
    assert heard.frame_edges[-1] == 5 * RATE
    assert (np.diff(heard.frame_edges) >= 0).all()


def test_frames_lie_where_their_features_do(verifier):
    heard = hear(verifier, (talk(1), RATE))
    features = verifier.front_end(torch.from_numpy(talk(1)))
    assert len(heard.of_frames) == len(decompose(verifier.model, features).of_frames)
    frame = len(heard.of_frames) // 2
    stride_s = verifier.model.frame_stride * 0.01
    assert heard.frame_edges[frame] / RATE == pytest.approx(frame * stride_s, abs=0.04)


def test_times_are_those_of_the_recording_as_given(trimming):
    samples = spoken_between((1.0, 2.5), (6.0, 8.0), duration_s=9.0)
    heard = hear(trimming, (samples, RATE))
    np.testing.assert_array_equal(heard.values, take(trimming.hearing, (samples, RATE)).values)
    first, *_, last = heard.spans_s(heard.edges)
    assert first[0] == pytest.approx(0.9, abs=0.1)
    assert last[1] == pytest.approx(8.1, abs=0.1)
    gap = heard.kept[0, 1] - heard.kept[0, 0]
    assert heard.given_s(np.array([gap]))[0] == pytest.approx(5.9, abs=0.1)
    assert heard.given_s(np.array([gap]), end=True)[0] == pytest.approx(2.6, abs=0.1)
    np.testing.assert_allclose(heard.given_s(np.array([gap - 1])), (heard.kept[0, 1] - 1) / RATE)


def test_where_nobody_speaks_there_is_no_embedding(verifier):
    heard = hear(verifier, (np.zeros(RATE, np.float32), RATE))
    assert isinstance(heard, Voiceprint)
    assert heard.embedding is None


def test_a_model_that_cannot_be_taken_apart_is_heard_all_the_same(verifier, monkeypatch):
    monkeypatch.setattr(type(verifier.model), "affine_head", False)
    heard = hear(verifier, (talk(1), RATE))
    assert isinstance(heard, Heard)
    assert len(heard.of_frames) == 0
    np.testing.assert_array_equal(heard.rest, heard.embedding)
