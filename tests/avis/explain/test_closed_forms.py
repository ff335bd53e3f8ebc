"""Where all checks have a closed form, they are as it says, and agree.

A model embeds the mean of its frames by a linear map; ``s`` is the evidence that each of K equal segments is worth,
less a constant. Then

- its share of the evidence, by the pooling, is ``s_k / K``, and of the constant what is its length's;
- its integrated gradient, from the mean, is ``(s_k - mean(s)) / K``;
- cutting it out takes ``(s_k - mean(s)) / (K - 1)`` away, and the frame of silence that is blended away with it;
- putting in its place what is worth ``m`` takes ``(s_k - m) / K`` away;
- its Shapley value is ``(s_k - nothing + (H_K - 1) (s_k - mean of the others)) / K`` with the K-th harmonic number.
"""

import dataclasses

import numpy as np
import pytest

from avis.explain.edits import level, noise, put
from avis.explain.gradients import integrated_gradients
from avis.explain.removal import removal
from avis.explain.shapley import shapley
from avis.explain.shares import shares, take_apart
from tests.avis.explain.closed_form import FRAMES, RATE, SEGMENTS, Dot, mean_features, trial

K = SEGMENTS


@pytest.fixture(scope="module")
def linear():
    return trial()


def test_cutting_out_takes_away_what_the_others_lack(linear):
    for of_side, (worth,) in zip(removal(linear.embedder, linear.judge, linear.sides), linear.worths, strict=True):
        for segment, removed in enumerate(of_side[0]):
            num_blended = int(0 < segment < K - 1)  # silent frames
            others = np.delete(worth, segment).sum() * FRAMES / ((K - 1) * FRAMES - num_blended)
            assert removed["splice"] == pytest.approx(worth.mean() - others, abs=1e-6)


@pytest.mark.parametrize("way", ["mean", "noise"])
def test_what_is_put_in_a_segments_place_takes_away_what_it_lacks(linear, way):
    found = removal(linear.embedder, linear.judge, linear.sides)
    for of_side, (worth,), side, direction in zip(found, linear.worths, linear.sides, linear.directions, strict=True):
        (heard,) = side.heard
        levelled = level(heard.values, sample_rate=RATE)
        for segment, removed in enumerate(of_side[0]):
            start, end = heard.edges[segment : segment + 2]
            filling = levelled[start:end] if way == "mean" else noise(heard.values, start=start, end=end)
            there = put(heard.values, filling, start=start, sample_rate=RATE)[start:end]
            instead = mean_features(there) @ (direction @ linear.weight)
            assert removed[way] == pytest.approx((worth[segment] - instead) / K, abs=1e-6)


def test_integrated_gradients_are_what_differs_from_the_mean(linear):
    for made, (worth,) in zip(
        integrated_gradients(linear.embedder, linear.sides, linear.directions), linear.worths, strict=True
    ):
        assert made.segments[0] == pytest.approx((worth - worth.mean()) / K, abs=1e-6)
        assert made.whole == pytest.approx(linear.judge.as_it_was(), abs=1e-6)
        assert made.gap is None  # the mean of the frames, too, is heard as the recording is


def test_shapley_values_are_of_harmonic_numbers(linear):
    harmonic = sum(1 / number for number in range(1, K + 1))
    for (made,), (worth,) in zip(shapley(linear.embedder, linear.judge, linear.sides), linear.worths, strict=True):
        constant = linear.judge.as_it_was() - worth.mean()
        alone = worth + constant - made.nothing
        others = (worth.sum() - worth) / (K - 1)
        assert made.segments == pytest.approx((alone + (harmonic - 1) * (worth - others)) / K, abs=1e-6)
        assert made.everything == pytest.approx(linear.judge.as_it_was(), abs=1e-6)


def test_all_agree(linear):
    def taken_apart(side):
        (heard,) = side.heard
        frames = np.array([mean_features(frame) for frame in np.split(heard.values, K * FRAMES)]) @ linear.weight.T
        rest = linear.embedder.model.linear.bias.detach().numpy()
        edges = np.arange(K * FRAMES + 1) * (len(heard.values) / (K * FRAMES))
        parts = {"of_frames": frames / len(frames), "rest": rest, "frame_edges": edges}
        return dataclasses.replace(side, heard=[dataclasses.replace(heard, **parts)])

    removed = removal(linear.embedder, linear.judge, linear.sides)
    of_gradients = integrated_gradients(linear.embedder, linear.sides, linear.directions)
    of_shapley = shapley(linear.embedder, linear.judge, linear.sides)
    of_pooling = shares(Dot(), taken := tuple(map(taken_apart, linear.sides)), take_apart(Dot(), taken, np.zeros(4)))
    bias = linear.embedder.model.linear.bias.detach().numpy()
    for side, (worth,) in enumerate(linear.worths):
        share = 2 * of_pooling.segments[side][0]  # half of what both sides make together is the other's
        assert share == pytest.approx((worth + bias @ linear.directions[side]) / K, abs=1e-6)
        splice = np.array([each["splice"] for each in removed[side][0]])
        for told in (splice, of_gradients[side].segments[0], of_shapley[side][0].segments):
            assert np.corrcoef(share, told)[0, 1] > 0.9999


def test_of_two_recordings_each_counts_for_half(linear):
    both = trial(seeds=((0, 2), (1,)))
    for number in range(2):
        _, alone = removal(linear.embedder, linear.judge, linear.sides)
        halved, whole = removal(both.embedder, both.judge, both.sides)
        assert len(halved) == 2
        worth = both.worths[0][number]
        for segment, removed in enumerate(halved[number]):
            num_blended = int(0 < segment < K - 1)
            others = np.delete(worth, segment).sum() * FRAMES / ((K - 1) * FRAMES - num_blended)
            assert removed["splice"] == pytest.approx((worth.mean() - others) / 2, abs=1e-6)
        assert len(whole) == len(alone) == 1
    made, _ = integrated_gradients(both.embedder, both.sides, both.directions)
    for number in range(2):
        worth = both.worths[0][number]
        assert made.segments[number] == pytest.approx((worth - worth.mean()) / K / 2, abs=1e-6)
