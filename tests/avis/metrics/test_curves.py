"""Curves for plotting: DET, Tippett and Bayes error."""

import numpy as np
import pytest

from avis.metrics.bayes_error import bayes_error_curves
from avis.metrics.dcf import act_dcf, min_dcf
from avis.metrics.det import det_curve
from avis.metrics.eer import crossing
from avis.metrics.scores import error_rates
from avis.metrics.tippett import tippett_curves


def gaussian(num: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    target = rng.random(num) < 0.2
    return rng.normal(np.where(target, 2, -2), 2), target


def test_det_is_thinned_but_exact_at_its_ends_and_at_the_equal_error_rate() -> None:
    rates = error_rates(*gaussian(300_000))
    thinned = det_curve(rates)
    assert thinned.thresholds.size < 3000 < rates.thresholds.size
    assert (thinned.fnr[0], thinned.fpr[0], thinned.fnr[-1], thinned.fpr[-1]) == (0, 1, 1, 0)
    assert np.isin(thinned.thresholds, rates.thresholds).all()
    assert crossing(thinned) == crossing(rates)
    interpolated = np.interp(rates.fpr, thinned.fpr[::-1], thinned.fnr[::-1])
    assert np.abs(interpolated - rates.fnr).max() < 0.02


def test_det_of_few_trials_keeps_every_step() -> None:
    rates = error_rates([3, 2, 1, -0.5, 0.5, -1, -2, -3], np.repeat([True, False], 4))
    assert det_curve(rates).thresholds.tolist() == rates.thresholds.tolist()


def test_tippett_is_the_share_of_ratios_at_or_above() -> None:
    llr, target = gaussian(2000)
    curves = tippett_curves(llr, target, num_points=31)
    log10 = llr / np.log(10)
    assert 0.0 in curves.log10_lr
    for x, same, different in zip(*curves, strict=True):
        assert same == pytest.approx(np.mean(log10[target] >= x - 1e-12))
        assert different == pytest.approx(np.mean(log10[~target] >= x - 1e-12))


def test_bayes_error_is_the_cost_at_every_prior() -> None:
    llr, target = gaussian(3000)
    odds = np.array([-4.6, -2, 0, 1.5])
    curves = bayes_error_curves(llr, target, odds)
    for i, prior in enumerate(1 / (1 + np.exp(-odds))):
        assert curves.actual[i] == pytest.approx(act_dcf(llr, target, p_target=prior))
        assert curves.minimum[i] == pytest.approx(min_dcf(llr, target, p_target=prior))
    assert np.all(curves.actual >= curves.minimum)
