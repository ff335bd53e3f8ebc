"""The band of a DET curve, against the interval of the equal error rate and the curve itself."""

import numpy as np
import pytest
from scipy.stats import norm

from avis.metrics.bootstrap import Resampling, speaker_intervals
from avis.metrics.det_band import NUM_RAYS, det_band, on_rays
from avis.metrics.figures import EER, FigureSet
from avis.metrics.scores import error_rates
from avis.metrics.trials import Trials

RESAMPLING = Resampling(num_draws=60, confidence=0.9, seed=3)


def some_trials(num_speakers: int, seed: int = 0) -> Trials:
    rng = np.random.default_rng(seed)
    speakers = np.repeat(np.arange(num_speakers), 4)
    enroll, test = np.triu_indices(len(speakers), k=1)
    target = speakers[enroll] == speakers[test]
    voice = rng.normal(size=(num_speakers, num_speakers))
    scores = rng.normal(2.0 * target) + 0.5 * voice[speakers[enroll], speakers[test]]
    return Trials(scores, target, None, speakers[enroll], speakers[test])


def test_on_the_diagonal_the_band_is_the_interval_of_the_eer():
    trials = some_trials(12)
    band = det_band(trials, RESAMPLING)
    interval = speaker_intervals(trials, RESAMPLING, figure_set=FigureSet()).figures[EER]
    middle = NUM_RAYS // 2
    assert band.ratios[middle] == pytest.approx(1.0)
    assert [band.fpr_low[middle], band.fpr_high[middle]] == pytest.approx(interval)
    assert band.fnr_high[middle] == pytest.approx(interval[1])


def test_the_band_holds_the_curve_and_is_ordered():
    trials = some_trials(25)
    band = det_band(trials, RESAMPLING)
    found = on_rays(error_rates(trials.scores, trials.target), band.ratios)
    assert np.all((band.fpr_low <= found) & (found <= band.fpr_high))
    assert np.all(np.diff(band.fpr_high) < 1e-12)
    assert np.all(np.diff(band.fnr_high) > -1e-12)


def test_rays_meet_the_curve_of_gaussian_scores_where_its_formula_says():
    quantiles = norm.ppf((np.arange(50_000) + 0.5) / 50_000)
    rates = error_rates(np.concatenate([quantiles + 2, quantiles]), np.repeat([True, False], 50_000))
    ratios = np.array([0.1, 1.0, 5.0])
    fpr = on_rays(rates, ratios)
    np.testing.assert_allclose(norm.cdf(-2 - norm.ppf(fpr)), ratios * fpr, rtol=2e-3)


def test_separated_scores_have_a_band_of_no_errors():
    trials = some_trials(6)
    band = det_band(trials._replace(scores=trials.target.astype(float)), RESAMPLING)
    assert not band.fpr_high.any()


def test_speakers_that_agree_with_no_draw_give_no_band():
    trials = Trials(np.array([1.0, 0.0]), np.array([True, False]), None, np.array([0, 1]), np.array([0, 2]))
    draws = Resampling(num_draws=1, confidence=0.9, seed=0)
    seeds = [det_band(trials, draws._replace(seed=seed)) for seed in range(20)]
    assert None in seeds
