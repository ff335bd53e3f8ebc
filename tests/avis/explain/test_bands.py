"""The band map finds the band that a model reads."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
import torch

from avis.explain.bands import EDGES_HZ, bands
from avis.features.fbank import Fbank
from tests.avis.explain.closed_form import RATE, embedder_of, heard_of, judge_of, side_of

TONE_HZ = 1000


class OneMel(torch.nn.Module):
    """How much one mel varies over time, and nothing else."""

    def __init__(self, mel):
        super().__init__()
        self.mel = mel

    def forward(self, features):
        return features[:, :, self.mel].std(dim=1, keepdim=True)


@pytest.fixture
def one_band():
    """Return a trial of hiss over all bands, in which a tone comes and goes, for a model of the tone's mel."""
    fbank = Fbank(
        dim=40,
        sample_rate=RATE,
        frame_length_ms=25.0,
        frame_shift_ms=10.0,
        window="povey",
        low_hz=20.0,
        high_hz=0.0,
        mean_norm=False,
    )
    embedder = embedder_of(
        fbank, OneMel(int(fbank.mel_filters[round(TONE_HZ / RATE * fbank.fft_samples)].argmax())), dim=1
    )
    time_s = np.arange(2 * RATE) / RATE
    tone = 4000 * np.sin(2 * np.pi * TONE_HZ * time_s) * (np.sin(2 * np.pi * 2 * time_s) > 0)
    values = (tone + 300 * np.random.default_rng(0).normal(size=len(time_s))).astype(np.int16)
    heard = heard_of(embedder, values, edges=[0, len(values)])
    sides = side_of("enroll", heard), side_of("test", heard)
    return embedder, judge_of(sides), sides


def test_the_band_that_is_read_is_found(one_band):
    embedder, judge, sides = one_band
    found = bands(embedder, judge, sides)
    assert [each.side for each in found] == ["enroll"] * 8 + ["test"] * 8
    assert [(each.low_hz, each.high_hz) for each in found[:8]] == [*pairwise(EDGES_HZ)]
    evidence = judge.as_it_was()
    for each in found:
        if each.low_hz <= TONE_HZ < each.high_hz:
            assert each.removed > 0.5 * evidence
        else:
            assert abs(each.removed) < 1e-3 * evidence


def test_of_several_recordings_all_are_levelled(one_band):
    embedder, judge, sides = one_band
    alike = side_of("enroll", *sides[0].heard, *sides[0].heard)
    found = bands(embedder, judge, (alike, sides[1]))
    assert [each.removed for each in found] == [each.removed for each in bands(embedder, judge, sides)]


def test_a_side_that_is_no_recording_has_none(one_band):
    embedder, judge, sides = one_band
    found = bands(embedder, judge, (dataclasses.replace(sides[0], heard=[]), sides[1]))
    assert [each.side for each in found] == ["test"] * 8


def test_bands_end_at_half_the_rate(one_band):
    embedder, judge, sides = one_band
    embedder.hearing = embedder.hearing.__class__(**(vars(embedder.hearing) | {"sample_rate": 7000}))
    spans = [(each.low_hz, each.high_hz) for each in bands(embedder, judge, sides)]
    assert spans[4:6] == [(2000, 3000), (3000, 3500)]
    assert len(spans) == 12
