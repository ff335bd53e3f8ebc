"""Attributes are guessed where that beats chance on speakers who were held out, and are as sure as they say."""

import numpy as np
import pytest
from scipy.special import expit

from avis.verifier.attributes.fit import Calibrating, Speakers, balanced_accuracy, fit_head, held_out, linear
from tests.avis.verifier.attributes.made_up import World

NAMES = np.array(["f", "m", "other one", "yet another"])


def fitted(counts, *, dim=32, apart=4.0, seed=0, each=4):
    rng = np.random.default_rng(seed)
    world = World.drawn(rng, dim=dim, classes=len(counts), apart=apart)
    embeddings, speaker, classes = world.recordings(rng, counts, each)
    return world, rng, *fit_head("gender", embeddings, speaker, NAMES[classes].tolist(), seed=0)


def test_what_is_told_apart_is_kept_and_guessed_of_new_speakers_as_often_as_is_said():
    world, rng, head, said = fitted([60, 40])
    embeddings, _, classes = world.recordings(rng, [400, 400], each=1)
    right = np.mean([head.guess(each).value for each in embeddings] == NAMES[classes])
    assert head.accuracy_interval[0] < right < head.accuracy_interval[1]
    assert (head.classes.tolist(), head.num_speakers.tolist(), head.chance) == (["f", "m"], [60, 40], 0.5)
    assert said.startswith(f"gender: f or m is guessed right for {100 * head.accuracy:.0f} % [")


@pytest.mark.few(1)
@pytest.mark.parametrize("counts", [[30, 30], [40, 12], [15, 15, 15]])
def test_what_embeddings_do_not_tell_is_seldom_kept(counts):
    kept = [fitted(counts, apart=1e-9, seed=seed)[2] is not None for seed in range(20)]
    assert sum(kept) <= 3  # 2.5 % are, by chance


def test_it_is_said_why_nothing_is_guessed():
    assert fitted([30, 30], apart=1e-9)[2:][1].startswith("gender is not guessed, since that is not shown to beat")
    *_, head, said = fitted([30, 5])
    assert (head, said) == (None, "gender is not guessed: 1 values of enough speakers (1 left out, of fewer than 6)")


def test_rare_classes_and_unknown_speakers_are_left_out():
    world, rng = World.drawn(np.random.default_rng(0), dim=8, classes=3, apart=6.0), np.random.default_rng(1)
    embeddings, speaker, classes = world.recordings(rng, [20, 20, 5])
    values = NAMES[classes]
    head, said = fit_head("age", embeddings, speaker, values.tolist(), seed=0)
    assert head.num_speakers.tolist() == [20, 20]
    assert "f or m (1 left out, of fewer than 6)" in said
    values[classes == 2] = ""
    without, said = fit_head("age", embeddings, speaker, values.tolist(), seed=0)
    np.testing.assert_array_equal(without.weights, head.weights)
    assert "left out" not in said


def test_a_speaker_weighs_alike_however_many_recordings_there_are():
    world, rng = World.drawn(np.random.default_rng(0), dim=8, classes=2, apart=3.0), np.random.default_rng(1)
    embeddings, speaker, classes = world.recordings(rng, [20, 20], each=2)
    again = np.append(np.arange(len(speaker)), np.flatnonzero(speaker == 0).repeat(9))
    once, often = (linear(Speakers(embeddings[rows], speaker[rows], classes)) for rows in (np.arange(80), again))
    for one, other in zip(once, often, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)
    data = [Speakers(embeddings[rows], speaker[rows], classes) for rows in (np.arange(80), again)]
    logits = [each.embeddings @ once[0].T + once[1] for each in data]
    one, other = (Calibrating(*each).best()[0] for each in zip(data, logits, strict=True))
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_logits_do_not_depend_on_the_scale_and_origin_of_embeddings():
    rng = np.random.default_rng(1)
    embeddings, speaker, classes = World.drawn(rng, dim=8, classes=3, apart=3.0).recordings(rng, [20, 20, 20])
    logits = []
    for scale, shift in ((1.0, 0.0), (50.0, 7.0)):
        moved = scale * embeddings.astype(np.float64) + shift
        weights, offsets = linear(Speakers(moved, speaker, classes))
        logits.append(moved @ weights.T + offsets)
    np.testing.assert_allclose(*logits, atol=1e-3)


def test_who_is_held_out_has_no_say():
    rng = np.random.default_rng(0)
    embeddings, speaker, classes = World.drawn(rng, dim=8, classes=2, apart=3.0).recordings(rng, [15, 15])
    logits = held_out(Speakers(embeddings, speaker, classes), seed=0)
    for one in (0, 20):
        moved = embeddings.copy()
        moved[speaker == one] *= -1
        others = held_out(Speakers(moved, speaker, classes), seed=0)
        changed = np.any(np.abs(logits - others) > 1e-9, axis=1)
        assert changed[speaker == one].all()
        assert len(np.unique(speaker[~changed])) == 5  # those who were held out with the one, its own sign aside
    assert np.mean(np.argmax(logits, axis=1) == classes[speaker]) > 0.7


def test_accuracy_is_the_mean_of_classes_of_speakers():
    data = Speakers(np.zeros((5, 1)), np.array([0, 0, 0, 1, 2]), np.array([0, 0, 1]))
    logits = np.eye(2)[[0, 0, 1, 0, 1]]
    accuracy, (lower, upper) = balanced_accuracy(data, logits)
    assert accuracy == pytest.approx(((2 / 3 + 1) / 2 + 1) / 2)
    rates = np.array([(5 / 3 + 1) / 4, 2 / 3])  # one speaker more who is guessed right, and one who is not
    half = 1.959964 / 2 * np.sqrt(np.sum(rates * (1 - rates) / np.array([4, 3])))
    assert (lower, upper) == pytest.approx((rates.mean() - half, 1.0))


def test_a_calibration_is_that_of_a_grid():
    """Of two classes, percentiles of probabilities by the draws are those by all parameters."""
    rng = np.random.default_rng(0)
    classes = np.repeat([0, 1], [9, 14])
    logit = rng.normal(2.0 * classes - 1.0, 1.2)
    data = Speakers(np.zeros((23, 1)), np.arange(23), classes)
    calibrating = Calibrating(data, np.column_stack([-logit, logit]) / 2)
    draws = calibrating.draws(rng)
    slope, offset = np.meshgrid(np.linspace(-1, 8, 400), np.linspace(-4, 4, 400))
    grid = np.column_stack([slope.ravel(), offset.ravel()])
    odds = logit[:, None] * grid[:, 0] - 2 * grid[:, 1] + np.log(14 / 9)
    target = np.where(classes, 14.5 / 15, 0.5 / 10)[:, None]
    likely = np.exp(np.sum(target * np.log(expit(odds)) + (1 - target) * np.log(expit(-odds)), axis=0))
    for at in (-2.0, 0.5, 3.0):
        everywhere = expit(at * grid[:, 0] - 2 * grid[:, 1])
        order = np.argsort(everywhere)
        below = np.cumsum(likely[order]) / np.sum(likely)
        expected = everywhere[order][np.searchsorted(below, [0.025, 0.5, 0.975])]
        drawn = np.percentile(expit(at * draws[:, 0] - 2 * draws[:, 1]), [2.5, 50.0, 97.5])
        np.testing.assert_allclose(drawn, expected, atol=0.05)


def test_who_is_told_apart_without_an_error_is_not_certain():
    *_, head, _ = fitted([6, 6], apart=30.0)
    assert head.accuracy == 1.0
    assert head.accuracy_interval[0] == pytest.approx(0.71, abs=0.01)
    guessed = head.guess(np.linalg.lstsq(head.weights[1:] - head.weights[0], head.offsets[:1] - head.offsets[1:])[0])
    assert guessed.interval[0] < 0.5 < guessed.interval[1]
    far = head.guess(1e3 * head.weights[1])
    assert far.value == "m"
    assert far.interval[0] == far.probability == pytest.approx(6.5 / 7)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("counts", "dim", "apart"),
    [([10, 10], 64, 3), ([38, 12], 192, 4), ([120, 80], 64, 2), ([100, 100, 100, 60], 192, 4)],
)
def test_intervals_hold_the_share_of_speakers_who_are_so(counts, dim, apart):
    """Over draws of speakers; the lower end, by which a guess is clear, more often than both."""
    held, lower = [], []
    for seed in range(20):
        world, rng, head, _ = fitted(counts, dim=dim, apart=apart, seed=seed)
        if head is None:
            continue
        embeddings, _, _ = world.recordings(rng, [200] * len(counts), each=1)
        guessed = [head.guess(each) for each in embeddings]
        places = [int(NAMES.tolist().index(each.value)) for each in guessed]
        shares = world.share(head, embeddings.astype(np.float64))[np.arange(len(places)), places]
        ends = np.array([each.interval for each in guessed])
        held.append(np.mean((ends[:, 0] <= shares) & (shares <= ends[:, 1])))
        lower.append(np.mean(ends[:, 0] <= shares))
    assert len(held) > 15
    assert np.mean(held) > 0.88
    assert np.mean(lower) > 0.95
