from collections.abc import Iterator

import numpy as np
import pytest

from avis.metrics.det import det_curve
from avis.metrics.error_curve import error_curve
from avis.metrics.figures import CALIBRATION_LOSS, CLLR, FigureSet, count_errors
from avis.metrics.out_of_core import Chunks, _cells, count_long_list
from avis.metrics.summary import summary_of

FIGURE_SET = FigureSet()


def chunked(values: np.ndarray, target: np.ndarray, size: int) -> Chunks:
    def read() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for start in range(0, len(values), size):
            yield values[start : start + size], target[start : start + size]

    return read


@pytest.mark.few(12)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1e-30, 0.1, 1e30])
@pytest.mark.parametrize(("decimals", "share"), [(1, 0.1), (3, 0.9), (9, 0.02)])
@pytest.mark.parametrize("trials_in_memory", [100, 700, 10**6])
def test_figures_are_those_in_core(
    dtype: type, scale: float, decimals: int, share: float, trials_in_memory: int
) -> None:
    rng = np.random.default_rng(decimals)
    target = rng.random(3000) < share
    scores = (rng.normal(2 * target).round(decimals) * scale).astype(dtype)
    llr = (rng.normal(3 * target) - 1).astype(dtype)
    chunks = chunked(scores, target, 999), chunked(llr, target, 1234)
    found = count_long_list(*chunks, figure_set=FIGURE_SET, trials_in_memory=trials_in_memory).counts
    expected = count_errors(scores, target, llr, figure_set=FIGURE_SET)
    assert found._replace(scores=None, llrs=None, at_bayes=None, cllr=None, decided=None) == expected._replace(
        scores=None, llrs=None, at_bayes=None, cllr=None, decided=None
    )
    ours, theirs = summary_of(found, FIGURE_SET), summary_of(expected, FIGURE_SET)
    summed = {figure: ours.figures.pop(figure) for figure in (CLLR, CALIBRATION_LOSS)}
    assert summed == pytest.approx({figure: theirs.figures.pop(figure) for figure in summed}, abs=1e-12)
    assert ours == theirs


def test_a_det_curve_out_of_core_shows_what_one_in_core_shows() -> None:
    rng = np.random.default_rng(0)
    target = rng.random(20_000) < 0.2
    scores = rng.normal(2 * target)
    found = count_long_list(chunked(scores, target, 4096), None, figure_set=FIGURE_SET, trials_in_memory=3000).counts
    expected = count_errors(scores, target, None, figure_set=FIGURE_SET)
    assert found.llrs is None
    assert np.isin(det_curve(expected.scores).thresholds, found.scores.thresholds).mean() > 0.9
    assert (found.scores.fpr[0], found.scores.fnr[-1]) == (1, 1)
    assert np.all(np.diff(found.scores.thresholds) > 0)


def test_cells_rise_with_scores() -> None:
    rng = np.random.default_rng(0)
    scores = np.sort(np.concatenate([rng.normal(size=1000), 10.0 ** rng.uniform(-40, 39, 500), [-1e300, 0.0, 1e300]]))
    cells = _cells(scores)
    assert np.all(np.diff(cells) >= 0)
    assert 0 <= cells[0] <= cells[-1] < 2**20
    assert _cells(np.array([-0.0])) == _cells(np.array([0.0]))


@pytest.mark.parametrize(
    ("scores", "target", "message"),
    [
        ([1.0, np.nan, 2.0], [True, False, False], "Scores must be finite"),
        ([1.0, 2.0, 2.0], [True, True, True], "num_nontarget=0"),
        ([], [], "trials=0"),
    ],
)
def test_what_cannot_be_judged(scores: list, target: list, message: str) -> None:
    chunks = chunked(np.array(scores), np.array(target, dtype=bool), 2)
    with pytest.raises(ValueError, match=message):
        count_long_list(chunks, None, figure_set=FIGURE_SET, trials_in_memory=2)


@pytest.mark.parametrize("decimals", [0, 9])
@pytest.mark.parametrize("trials_in_memory", [300, 10**6])
def test_errors_at_any_threshold_and_the_reach_are_those_in_core(decimals: int, trials_in_memory: int) -> None:
    rng = np.random.default_rng(1)
    target = rng.random(5000) < 0.3
    scores = rng.normal(2 * target).round(decimals).astype(np.float32)
    long = count_long_list(chunked(scores, target, 640), None, figure_set=FIGURE_SET, trials_in_memory=trials_in_memory)
    found = long.scores
    expected = error_curve(scores, target)
    assert found.reach == expected.reach
    thresholds = np.union1d(np.linspace(-9, 9, 99), scores[:50])
    for one, other in zip(found.rates_at(thresholds), expected.rates_at(thresholds), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("wrong", "message"), [(np.nan, "got score=nan"), (np.inf, "got score=inf")])
def test_a_wrong_score_is_found_in_the_whole_list(wrong: float, message: str) -> None:
    scores, target = np.arange(10.0), np.arange(10) > 4
    scores[7] = wrong
    with pytest.raises(ValueError, match=f"{message}.* At trial index 7"):
        count_long_list(chunked(scores, target, 3), None, figure_set=FIGURE_SET, trials_in_memory=5)
