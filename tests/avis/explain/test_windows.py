"""Windows of two recordings, and what they find in each other."""

import itertools

import numpy as np
import pytest

from avis.explain.side import side_of
from avis.explain.windows import MOST_WINDOWS, window_edges, windows_matrix
from avis.scoring.cosine import Cosine
from avis.scoring.plda import Plda
from avis.verifier import Verifier
from tests.avis.conftest import RATE, talk


@pytest.fixture
def verifier(parts) -> Verifier:
    return Verifier(parts)


def test_pairs_of_windows_add_up_to_the_score_of_their_means(verifier):
    sides = tuple(
        side_of(verifier, name, (talk(seed, duration_s=4.0), RATE)) for seed, name in enumerate(("enroll", "test"))
    )
    matrix = windows_matrix(verifier, Cosine(center=False), sides, factor=2.0)
    means = [
        np.mean(verifier.windows((talk(seed, duration_s=4.0), RATE), length_s=2.0, hop_s=2.0).embeddings, axis=0)
        for seed in range(2)
    ]
    assert matrix.total == pytest.approx(2.0 * verifier.score(means[:1], means[1:])[0, 0], abs=1e-5)
    assert np.sum(matrix.values) == pytest.approx(matrix.total)
    assert matrix.rest == pytest.approx(0.0, abs=1e-9)
    assert matrix.enroll == pytest.approx([(0.0, 2.0), (2.0, 4.0)])


def test_cells_count_from_a_usual_voice(verifier):
    sides = tuple(
        side_of(verifier, name, (talk(seed, duration_s=4.0), RATE)) for seed, name in enumerate(("enroll", "test"))
    )
    usual = np.full(verifier.dim, 0.1)
    matrix = windows_matrix(verifier, Cosine(center=False), sides, usual, factor=2.0)
    windows = [
        verifier.windows((talk(seed, duration_s=4.0), RATE), length_s=2.0, hop_s=2.0).embeddings.astype(np.float64)
        for seed in range(2)
    ]
    norms = np.prod([np.linalg.norm(each.mean(axis=0)) for each in windows])
    by_hand = 2.0 * ((windows[0] - usual) / 2) @ ((windows[1] - usual) / 2).T / norms
    assert np.array(matrix.values) == pytest.approx(by_hand, abs=1e-5)
    assert np.sum(matrix.values) + matrix.rest == pytest.approx(matrix.total)


def test_what_plda_makes_of_one_side_alone_is_of_no_pair(verifier):
    rng = np.random.default_rng(0)
    voices = rng.normal(size=(20, 1, verifier.dim)) + 0.3 * rng.normal(size=(20, 4, verifier.dim))
    plda = Plda(num_iterations=1)
    plda.fit(voices.reshape(80, -1), np.repeat(np.arange(20), 4))
    sides = tuple(side_of(verifier, name, (talk(seed), RATE)) for seed, name in enumerate(("enroll", "test")))
    matrix = windows_matrix(verifier, plda, sides, factor=1.0)
    windows = [verifier.windows((talk(seed), RATE), length_s=1.5, hop_s=1.5).embeddings for seed in range(2)]
    vectors = [plda.transform(each.mean(axis=0, keepdims=True)) for each in windows]
    assert matrix.total == pytest.approx(float(plda.score(*vectors)[0]), rel=1e-5)
    assert matrix.rest != 0.0


@pytest.mark.parametrize("duration_s", [0.7, 3.0, 60.0, 3000.0])
def test_windows_leave_nothing_out_and_are_not_too_many(duration_s):
    num_samples = round(duration_s * RATE)
    edges = window_edges(num_samples, sample_rate=RATE)
    assert edges[0][0] == 0
    assert edges[-1][1] == num_samples
    assert all(later[0] == earlier[1] for earlier, later in itertools.pairwise(edges))
    assert len(edges) <= MOST_WINDOWS
