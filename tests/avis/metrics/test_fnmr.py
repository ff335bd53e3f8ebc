import numpy as np
import pytest

from avis.metrics.fnmr import fnmr_at_fmr


@pytest.mark.parametrize("decimals", [1, 8])
@pytest.mark.parametrize("fmr", [0.0, 0.001, 0.01, 0.1, 1.0])
def test_equals_the_definition(fmr: float, decimals: int) -> None:
    rng = np.random.default_rng(1)
    target = rng.random(2000) < 0.5
    scores = rng.normal(target).round(decimals)
    allowed = [t for t in [*np.unique(scores), np.inf] if np.mean(scores[~target] >= t) <= fmr]
    assert fnmr_at_fmr(scores, target, fmr) == np.mean(scores[target] < min(allowed))


@pytest.mark.parametrize("fmr", [-0.1, 1.1, np.nan])
def test_rate_out_of_range(fmr: float) -> None:
    with pytest.raises(ValueError, match="fmr="):
        fnmr_at_fmr([1, 0], [True, False], fmr)
