"""What holds for every back-end of ``configs/scoring``."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from avis.checkpoints.components import build
from avis.scoring.backend import Backend

CONFIGS = Path(__file__).parents[3] / "configs"
CHOICES = sorted(path.stem for path in (CONFIGS / "scoring").glob("*.yaml"))


def settings(name: str) -> dict[str, Any]:
    """Return the group ``scoring`` of a choice."""
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return OmegaConf.to_container(compose("train", [f"scoring={name}"]).scoring)  # type: ignore[return-value]


def backend(name: str) -> Backend:
    built: Backend = build(settings(name)["backend"])
    return built


def voices(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """More speakers and values than `lda` has directions."""
    rng = np.random.default_rng(seed)
    speakers = np.repeat(np.arange(50), 3)
    return 1.0 + rng.normal(size=(50, 45))[speakers] + 0.5 * rng.normal(size=(150, 45)), speakers


def fitted(name: str) -> Backend:
    made = backend(name)
    if made.needs_fit:
        made.fit(*voices(0))
    if made.adaptable is not None:
        made.adaptable.adapt(voices(1)[0])
    return made


@pytest.mark.parametrize("name", CHOICES)
def test_scores_of_pairs_are_those_of_the_matrix(name: str) -> None:
    made = fitted(name)
    vectors = made.transform(voices(2)[0][:12])
    matrix = made.score_matrix(vectors[:5], vectors[5:])
    assert (vectors.dtype, matrix.dtype, matrix.shape) == (np.float32, np.float32, (5, 7))
    one, other = np.divmod(np.arange(35), 7)
    scores = made.score(vectors[:5][one], vectors[5:][other])
    np.testing.assert_allclose(matrix.ravel(), scores, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", CHOICES)
def test_a_restored_back_end_scores_as_the_fitted_one(name: str) -> None:
    first, second = fitted(name), backend(name)
    assert bool(first.state()) == first.needs_fit
    second.restore(first.state())
    np.testing.assert_array_equal(second.transform(voices(2)[0]), first.transform(voices(2)[0]))


@pytest.mark.parametrize("name", CHOICES)
def test_one_voice_scores_higher_than_two(name: str) -> None:
    made, (embeddings, speakers) = fitted(name), voices(2)
    vectors = made.transform(embeddings)
    scores, same = made.score_matrix(vectors[::3], vectors[1::3]), speakers[::3, None] == speakers[1::3]
    assert scores[same].mean() > scores[~same].mean() + scores[~same].std()


@pytest.mark.parametrize("name", CHOICES)
def test_what_is_optional_is_stated(name: str) -> None:
    made = backend(name)
    assert (made.adaptable is not None) == ("adapt_corpus" in settings(name))
    assert (made.normalized is not None) == name.endswith("_as_norm")
    assert made.needs_fit == (settings(name)["fit_utterances"] > 0)


@pytest.mark.parametrize("name", [name for name in CHOICES if name.endswith("_as_norm")])
def test_a_normalised_score_is_made_of_the_raw_one(name: str) -> None:
    norm = fitted(name).normalized
    assert norm is not None
    enroll, test = np.split(norm.transform(voices(2)[0][:12]), 2)
    np.testing.assert_array_equal(norm.normalize(norm.raw_score(enroll, test), enroll, test), norm.score(enroll, test))
