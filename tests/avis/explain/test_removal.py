"""What falls without a segment is what a model hears less of it. See also test_closed_forms.py."""

import numpy as np
import pytest
import torch

from avis.explain.removal import removal
from avis.verifier.embedder import Embedder
from tests.avis.explain.closed_form import Mean, embedder_of, heard_of, judge_of, side_of, trial, utterance

HOP = 256


class LogLevels(torch.nn.Module):
    """Log level of frames of 16 ms: ``[samples]`` to ``[frames, 1]``."""

    def forward(self, waveforms):
        return waveforms.unfold(-1, HOP, HOP).square().mean(-1, keepdim=True).clamp_min(1e-12).log()


@pytest.fixture
def tones():
    """Return a trial of a tone that is louder and softer by the second, for a model of the mean log level."""
    torch.manual_seed(0)
    embedder: Embedder = embedder_of(LogLevels(), Mean(1))
    amplitudes = np.repeat([1000, 8000, 2000, 500], 16000)
    values = (amplitudes * np.sin(2 * np.pi * 1000 * np.arange(64000) / 16000)).astype(np.int16)
    heard = heard_of(embedder, values, edges=[0, 16000, 32000, 48000, 64000])
    return embedder, (side_of("enroll", heard), side_of("test", heard))


def test_the_mean_spectrum_is_as_loud_as_the_mean_of_the_logarithms(tones):
    embedder, sides = tones
    levels = 2 * np.log([1000, 8000, 2000, 500])
    pull = embedder.model.linear.weight.detach().numpy()[:, 0] @ sides[1].embedding
    expected = pull * (levels - levels.mean()) / 4
    for of_side in removal(embedder, judge_of(sides), sides):
        assert [each["mean"] for each in of_side[0]] == pytest.approx(expected, abs=0.04 * np.abs(expected).max())


def test_noise_is_as_loud_as_what_it_replaces(tones):
    embedder, sides = tones
    pull = abs(embedder.model.linear.weight.detach().numpy()[:, 0] @ sides[1].embedding)
    for of_side in removal(embedder, judge_of(sides), sides):
        assert [each["noise"] for each in of_side[0]] == pytest.approx([0] * 4, abs=0.02 * pull)


def test_all_that_there_is_cannot_be_cut_out():
    case = trial()
    sides = side_of("enroll", heard_of(case.embedder, utterance(5, 1))), case.sides[1]
    ((only,),), (test,) = removal(case.embedder, judge_of(sides), sides)
    assert list(only) == ["mean", "noise"]
    assert [list(each) for each in test] == [["splice", "mean", "noise"]] * 5


def test_it_is_the_same_each_time():
    case = trial()
    assert removal(case.embedder, case.judge, case.sides) == removal(case.embedder, case.judge, case.sides)
