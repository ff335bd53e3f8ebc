"""Scores against mismatch: planted weights are found, and what cannot be fitted is said."""

import numpy as np
import pytest

from avis.explain.corpus.mismatch import differences, regress


def planted(num: int = 400) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    sides = [
        {
            "snr_db": rng.uniform(5, 40, num),
            "bandwidth_hz": rng.choice([4000.0, 8000.0], num),
            "speech_s": rng.uniform(1, 8, num),
        }
        for _ in range(2)
    ]
    unlike = differences(*sides)
    scores = 5 - 0.2 * unlike["SNR, dB"] - 0.5 * unlike["speech, doubling"] + 0.1 * rng.normal(size=num)
    return unlike, scores, rng.integers(0, 30, size=(num, 2))


def test_planted_weights_are_found():
    unlike, scores, speakers = planted()
    found = regress(unlike, scores, speakers)
    assert found.fit is not None
    weights = dict(zip(found.names, found.fit.weights[1:], strict=True))
    assert weights == pytest.approx({"SNR, dB": -0.2, "bandwidth, kHz": 0.0, "speech, doubling": -0.5}, abs=0.02)
    low, high = found.fit.intervals[1 + found.names.index("bandwidth, kHz")]
    assert low < 0 < high


def test_sides_may_be_exchanged_and_silence_is_not_known():
    one = {"snr_db": np.array([20.0, np.nan]), "bandwidth_hz": np.full(2, 8000.0), "speech_s": np.array([2.0, 0.0])}
    other = {"snr_db": np.array([10.0, 10.0]), "bandwidth_hz": np.full(2, 4000.0), "speech_s": np.array([3.0, 3.0])}
    there, back = differences(one, other), differences(other, one)
    for name, values in there.items():
        np.testing.assert_allclose(values, back[name])
    assert np.isnan(there["SNR, dB"]).tolist() == np.isnan(there["speech, doubling"]).tolist() == [False, True]


def test_trials_of_which_something_is_not_known_are_left_out_and_counted():
    unlike, scores, speakers = planted()
    unlike["SNR, dB"] = unlike["SNR, dB"].copy()
    unlike["SNR, dB"][:7], scores[:7] = np.nan, 1e6
    found = regress(unlike, scores, speakers)
    assert (found.num_unknown, found.fit.num_trials) == (7, 393)
    assert found.fit.weights[0] == pytest.approx(5, abs=0.1)


def test_what_never_differs_or_is_never_known_is_named():
    unlike, scores, speakers = planted()
    unlike |= {"bandwidth, kHz": np.zeros(400), "F0, semitones": np.full(400, np.nan)}
    found = regress(unlike, scores, speakers)
    assert found.names == ["SNR, dB", "speech, doubling"]
    assert found.left_out == {"F0, semitones": "not known of any trial", "bandwidth, kHz": "the same in all trials"}


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (lambda unlike, speakers: (unlike, speakers % 3), "3 speakers, of whom 6 are the least"),
        (lambda unlike, speakers: ({"a, x": unlike["SNR, dB"], "b, x": 2 * unlike["SNR, dB"]}, speakers), "follows"),
        (lambda unlike, speakers: ({}, speakers), "nothing differs"),
    ],
)
def test_what_cannot_be_fitted_is_said(changed, why):
    unlike, scores, speakers = planted()
    unlike, speakers = changed(unlike, speakers)
    found = regress(unlike, scores, speakers)
    assert found.fit is None
    assert why in found.left_out["all"]
