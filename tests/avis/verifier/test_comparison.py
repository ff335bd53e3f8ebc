"""One side is compared with many as trials are, pair by pair, whatever the back-end."""

import numpy as np
import pytest

from avis.scoring.as_norm import AsNorm, AsNorm2
from avis.scoring.backend import scores_of
from avis.scoring.calibration import quality_features
from avis.scoring.cosine import Cosine
from avis.scoring.plda import Plda
from avis.verifier.comparison import Comparison
from tests.avis.conftest import calibrated_on_made_up_scores

BACKENDS = {
    "cosine": lambda: Cosine(center=True),
    "plda": lambda: Plda(num_iterations=3),
    "as_norm": lambda: AsNorm(backend=Cosine(center=True), top_n=10),
    "as_norm_2": lambda: AsNorm2(backend=Cosine(center=True), top_n=10),
}


@pytest.mark.parametrize("name", BACKENDS)
def test_many_against_one_are_the_scores_of_the_pairs(name):
    rng = np.random.default_rng(0)
    backend = BACKENDS[name]()
    speakers = np.repeat(np.arange(30), 6)
    backend.fit(rng.normal(size=(30, 8))[speakers] + 0.5 * rng.normal(size=(180, 8)), speakers)
    comparison = Comparison(backend, calibrated_on_made_up_scores(), {})
    enroll = comparison.sides(rng.normal(size=(5, 8)).astype(np.float32), np.array([1.0, 2, 3, 4, 5]))
    test = comparison.sides(rng.normal(size=(1, 8)).astype(np.float32), np.array([3.0]))
    pairs = scores_of(backend, enroll.vectors, np.repeat(test.vectors, 5, axis=0))
    assert comparison.scores(enroll, test) == pytest.approx(pairs.get("score_norm", pairs["score"]), abs=1e-5)
    expected = quality_features(enroll.measures, np.repeat(test.measures, 5, axis=0))
    assert np.array_equal(comparison.features(enroll, test), expected)
    assert enroll.measures[:, 0] == pytest.approx(np.log([1, 2, 3, 4, 5]))
