"""What the plots draw, read back from their axes."""

import io

import matplotlib.image
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from scipy.stats import norm

from avis.metrics.bootstrap import Resampling
from avis.metrics.det_band import det_band
from avis.metrics.eer import equal_error_rate
from avis.metrics.error_curve import error_curve
from avis.metrics.scores import error_rates
from avis.metrics.trials import Trials
from avis.reports.calibration_plots import bayes_error_plot, pav_plot
from avis.reports.det_plot import DetCurve, det_plot
from avis.reports.drawing import png
from avis.reports.score_plots import histogram_plot, tippett_plot

NUM = 20_000
QUANTILES = norm.ppf((np.arange(NUM) + 0.5) / NUM)
GAUSSIAN = (np.concatenate([QUANTILES + 2, QUANTILES]), np.repeat([True, False], NUM))
CURVE = DetCurve(error_rates(*GAUSSIAN))
# Log-likelihood ratios that are what they say: targets from N(m, 2m), non-targets from N(-m, 2m).
CALIBRATED = (np.concatenate([2 * QUANTILES + 2, 2 * QUANTILES - 2]), GAUSSIAN[1])


def test_det_of_gaussian_scores_is_a_straight_line_through_the_eer() -> None:
    curve, point = det_plot({"gaussian": CURVE}).axes[0].lines[:2]
    x, y = np.asarray(curve.get_data())
    inside = (np.abs(x) < 3) & (np.abs(y) < 3)
    assert inside.sum() > 100
    np.testing.assert_allclose(y[inside], -2.0 - x[inside], atol=0.05)
    np.testing.assert_allclose(np.asarray(point.get_data()).ravel(), [-1.0, -1.0], atol=1e-3)


def test_det_ticks_are_percentages_at_normal_deviates() -> None:
    axes = det_plot({"gaussian": CURVE}).axes[0]
    for axis in (axes.xaxis, axes.yaxis):
        labels = [label.get_text() for label in axis.get_ticklabels()]
        assert labels == ["0.1", "0.2", "0.5", "1", "2", "5", "10", "20", "40"]
        np.testing.assert_allclose(axis.get_ticklocs(), norm.ppf(np.array(labels, dtype=float) / 100))
        assert axis.get_label_text().endswith("(%)")


def test_det_shows_a_turned_sign() -> None:
    axes = det_plot({"turned": DetCurve(error_rates(-GAUSSIAN[0], GAUSSIAN[1]))}).axes[0]
    place = axes.lines[1].get_xdata()[0]
    assert place == pytest.approx(1.0, abs=1e-3)
    assert axes.get_xlim()[1] > place


def test_det_of_a_million_trials_is_thinned() -> None:
    rng = np.random.default_rng(0)
    target = rng.random(1_000_000) < 0.1
    axes = det_plot({"many": DetCurve(error_rates(rng.normal(3 * target), target))}).axes[0]
    assert len(axes.lines[0].get_xdata()) < 5000


def test_the_band_of_a_det_surrounds_its_curve() -> None:
    rng = np.random.default_rng(0)
    speakers = np.repeat(np.arange(20), 4)
    enroll, test = np.triu_indices(80, k=1)
    target = speakers[enroll] == speakers[test]
    trials = Trials(rng.normal(2.0 * target), target, None, speakers[enroll], speakers[test])
    band = det_band(trials, Resampling(num_draws=100, confidence=0.95, seed=0))
    axes = det_plot({"x": DetCurve(error_rates(trials.scores, target), band)}).axes[0]
    [area] = axes.patches
    [place] = axes.lines[1].get_xydata()
    assert area.get_path().contains_point(place)
    middle = len(band.ratios) // 2
    outline = area.get_xy()
    for end in (band.fpr_low[middle], band.fpr_high[middle]):
        assert np.abs(outline - norm.ppf(end)).max(axis=1).min() < 1e-9


def test_names_are_shown_as_they_are() -> None:
    names = ["_hidden", "a$b$c", "vox1_o"]
    texts = det_plot(dict.fromkeys(names, CURVE)).legends[0].get_texts()
    assert [text.get_text() for text in texts] == [f"EER 15.87 %  {name}" for name in names]
    assert not any(text.get_parse_math() for text in texts)


def test_curves_differ_in_colour_and_line_style() -> None:
    curves = det_plot({str(number): CURVE for number in range(7)}).axes[0].lines[0:14:2]
    assert len({(curve.get_color(), curve.get_linestyle()) for curve in curves}) == 7


def test_histogram_draws_densities_and_threshold() -> None:
    _, threshold = equal_error_rate(*GAUSSIAN)
    figure = histogram_plot(error_curve(*GAUSSIAN), threshold)
    axes = figure.axes[0]
    for patch, mean in zip(axes.patches[::2], (0.0, 2.0), strict=True):
        density, edges, _ = patch.get_data()
        assert np.sum(density * np.diff(edges)) == pytest.approx(1.0)
        centres = (edges[1:] + edges[:-1]) / 2
        np.testing.assert_allclose(density[1:-1], norm.pdf(centres, loc=mean)[1:-1], atol=0.01)
    assert axes.lines[0].get_xdata()[0] == threshold
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["Different speakers (20,000 trials)", "Same speaker (20,000 trials)", "EER threshold 1"]


def test_a_stray_score_does_not_squeeze_a_histogram() -> None:
    scores, target = np.append(GAUSSIAN[0], 1e6), np.append(GAUSSIAN[1], True)
    density, edges, _ = histogram_plot(error_curve(scores, target), 1.0).axes[0].patches[2].get_data()
    assert edges[-1] < 10
    assert np.sum(density * np.diff(edges)) == pytest.approx(1.0)


def test_tippett_crosses_nought_at_the_rates_of_misleading_evidence() -> None:
    figure = tippett_plot(error_curve(*CALIBRATED))
    same, different = (line.get_xydata() for line in figure.axes[0].lines[:2])
    at_one = np.searchsorted(same[:, 0], 0.0)
    assert same[at_one, 0] == 0.0
    assert same[at_one, 1] == pytest.approx(100 * norm.cdf(1), abs=0.05)
    assert different[at_one, 1] == pytest.approx(100 * norm.cdf(-1), abs=0.05)
    half = np.interp(-50.0, -same[:, 1], same[:, 0])
    assert half == pytest.approx(2 / np.log(10), abs=0.01)
    assert "(15.86 % below 1)" in figure.legends[0].get_texts()[0].get_text()


def test_calibrated_ratios_lie_on_the_diagonal_of_the_pav_plot() -> None:
    axes = pav_plot(error_curve(*CALIBRATED)).axes[0]
    stairs = axes.lines[1].get_xydata()
    middles = (stairs[:-1, 0] + stairs[1:, 0]) / 2
    inside = np.abs(middles) < 3
    np.testing.assert_allclose(stairs[:-1, 1][inside], middles[inside], atol=0.25)
    assert axes.get_xlim() == axes.get_ylim()
    doubled = pav_plot(error_curve(2 * CALIBRATED[0], CALIBRATED[1])).axes[0].lines[1].get_xydata()
    assert np.interp(4.0, *doubled.T) == pytest.approx(2.0, abs=0.4)


def test_calibrated_ratios_cost_the_minimum_at_every_prior() -> None:
    actual, minimum = (line.get_xydata() for line in bayes_error_plot(error_curve(*CALIBRATED)).axes[0].lines[:2])
    np.testing.assert_allclose(actual, minimum, atol=0.025)
    assert actual[len(actual) // 2, 1] == pytest.approx(2 * norm.cdf(-1), abs=1e-3)
    # hand-checkable value of calibrated Gaussian ratios: DCF at a prior of 5 %
    assert np.interp(np.log(0.05 / 0.95), *minimum.T) == pytest.approx(0.809178, abs=3e-3)


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("scores", "target"),
    [
        pytest.param([1.0] * 4, [True, True, False, False], id="all equal"),
        pytest.param([1.0, 0.0], [True, False], id="separated"),
        pytest.param([0.0, 1.0], [True, False], id="inverted"),
    ],
)
def test_extreme_scores_are_drawn(scores: list[float], target: list[bool]) -> None:
    figures = [
        det_plot({"x": DetCurve(error_rates(scores, target))}),
        histogram_plot(error_curve(scores, target), equal_error_rate(scores, target)[1]),
        tippett_plot(error_curve(scores, target)),
        pav_plot(error_curve(scores, target)),
        bayes_error_plot(error_curve(scores, target)),
    ]
    for figure in figures:
        picture = png(figure)
        assert len(picture) < 150_000
        pixels = matplotlib.image.imread(io.BytesIO(picture), format="png")
        assert min(pixels.shape[:2]) >= 800
        assert 0.01 < np.mean(pixels[..., :3] < 0.9) < 0.5


def test_the_same_scores_give_the_same_bytes() -> None:
    assert png(det_plot({"x": CURVE})) == png(det_plot({"x": CURVE}))


def test_scores_are_checked() -> None:
    with pytest.raises(ValueError, match="Scores must be finite"):
        tippett_plot(error_curve([np.nan, 1.0], [True, False]))
    with pytest.raises(ValueError, match="both kinds of trial"):
        histogram_plot(error_curve([0.0, 1.0], [True, True]), 0.5)


@pytest.mark.parametrize("num", [1, 2, 7])
def test_nothing_is_cut_off_however_long_the_legend(num: int) -> None:
    figure = det_plot({f"a run with a name of some length {index}": CURVE for index in range(num)})
    FigureCanvasAgg(figure).draw()
    axes = figure.axes[0]
    for part in (axes.xaxis.label, axes.yaxis.label, *figure.legends[0].get_texts()):
        box = part.get_window_extent()
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1
    assert axes.get_window_extent().y1 <= figure.legends[0].get_window_extent().y0 + 1


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [1e-310, 1e-45, 1e300])
def test_tiny_and_huge_scores_are_drawn(scale: float) -> None:
    few = error_curve(scale * np.array([1.0, -1.0, 2.0, 0.0]), [True, False, True, False])
    assert png(histogram_plot(few, scale)).startswith(b"\x89PNG")
