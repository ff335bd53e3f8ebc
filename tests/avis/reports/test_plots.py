from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.stats import norm

from avis.metrics.eer import equal_error_rate
from avis.reports import plots

NUM = 20_000
QUANTILES = norm.ppf((np.arange(NUM) + 0.5) / NUM)
GAUSSIAN = (np.concatenate([QUANTILES + 2, QUANTILES]), np.repeat([True, False], NUM))


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    drawn: list[Figure] = []
    monkeypatch.setattr(plots, "_save", lambda figure, path: drawn.append(figure))
    return drawn


def test_det_of_gaussian_scores_is_a_straight_line_through_the_eer(figures: list[Figure]) -> None:
    plots.plot_det("unused", {"gaussian": GAUSSIAN})
    curve, point = figures[0].axes[0].lines[:2]
    x, y = np.asarray(curve.get_data())
    inside = (np.abs(x) < 3) & (np.abs(y) < 3)
    assert inside.sum() > 100
    np.testing.assert_allclose(y[inside], -2.0 - x[inside], atol=0.05)
    np.testing.assert_allclose(np.asarray(point.get_data()).ravel(), [-1.0, -1.0], atol=1e-3)


def test_det_ticks_are_percentages_at_normal_deviates(figures: list[Figure]) -> None:
    plots.plot_det("unused", {"gaussian": GAUSSIAN})
    for axis in (figures[0].axes[0].xaxis, figures[0].axes[0].yaxis):
        labels = [label.get_text() for label in axis.get_ticklabels()]
        assert labels == ["0.1", "0.2", "0.5", "1", "2", "5", "10", "20", "40"]
        np.testing.assert_allclose(axis.get_ticklocs(), norm.ppf(np.array(labels, dtype=float) / 100))


def test_det_shows_a_turned_sign(figures: list[Figure]) -> None:
    plots.plot_det("unused", {"turned": (-GAUSSIAN[0], GAUSSIAN[1])})
    axes = figures[0].axes[0]
    place = axes.lines[1].get_xdata()[0]
    assert place == pytest.approx(1.0, abs=1e-3)
    assert axes.get_xlim()[1] > place


def test_det_of_a_million_trials_is_thinned(figures: list[Figure]) -> None:
    rng = np.random.default_rng(0)
    target = rng.random(1_000_000) < 0.1
    plots.plot_det("unused", {"many": (rng.normal(3 * target), target)})
    assert len(figures[0].axes[0].lines[0].get_xdata()) < 5000


def test_names_are_shown_as_they_are(figures: list[Figure]) -> None:
    names = ["_hidden", "a$b$c", "vox1_o"]
    plots.plot_det("unused", dict.fromkeys(names, GAUSSIAN))
    texts = figures[0].legends[0].get_texts()
    assert [text.get_text() for text in texts] == [f"EER 15.87%  {name}" for name in names]
    assert not any(text.get_parse_math() for text in texts)


def test_curves_differ_in_colour_and_line_style(figures: list[Figure]) -> None:
    plots.plot_det("unused", {str(number): GAUSSIAN for number in range(7)})
    curves = figures[0].axes[0].lines[0:14:2]
    assert len({(curve.get_color(), curve.get_linestyle()) for curve in curves}) == 7


def test_histogram_draws_densities_and_threshold(figures: list[Figure]) -> None:
    _, threshold = equal_error_rate(*GAUSSIAN)
    plots.plot_histogram("unused", *GAUSSIAN, threshold)
    axes = figures[0].axes[0]
    for patch, mean in zip(axes.patches[::2], (0.0, 2.0), strict=True):
        density, edges, _ = patch.get_data()
        assert np.sum(density * np.diff(edges)) == pytest.approx(1.0)
        centres = (edges[1:] + edges[:-1]) / 2
        np.testing.assert_allclose(density, norm.pdf(centres, loc=mean), atol=0.01)
    assert axes.lines[0].get_xdata()[0] == threshold
    labels = [text.get_text() for text in figures[0].legends[0].get_texts()]
    assert labels == ["Different speakers (20,000 trials)", "Same speaker (20,000 trials)", "EER threshold 1"]


@pytest.mark.parametrize(
    ("scores", "target"),
    [
        pytest.param([1.0] * 4, [True, True, False, False], id="all equal"),
        pytest.param([1.0, 0.0], [True, False], id="separated"),
        pytest.param([0.0, 1.0], [True, False], id="inverted"),
    ],
)
def test_extreme_scores_are_drawn(tmp_path: Path, scores: list[float], target: list[bool]) -> None:
    plots.plot_det(tmp_path / "det", {"x": (scores, target)})
    plots.plot_histogram(tmp_path / "histogram", scores, target, equal_error_rate(scores, target)[1])
    for name in ("det", "histogram"):
        pixels = matplotlib.image.imread(tmp_path / name, format="png")
        assert min(pixels.shape[:2]) >= 800
        assert 0.01 < np.mean(pixels[..., :3] < 0.9) < 0.5


def test_the_same_scores_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        plots.plot_det(tmp_path / name, {"x": GAUSSIAN})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_scores_are_checked(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Scores must be finite"):
        plots.plot_det(tmp_path / "det", {"x": ([np.nan, 1.0], [True, False])})
    with pytest.raises(ValueError, match="both kinds of trial"):
        plots.plot_histogram(tmp_path / "histogram", [0.0, 1.0], [True, True], 0.5)
