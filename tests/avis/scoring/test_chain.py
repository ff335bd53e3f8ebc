import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from avis.scoring.as_norm import AsNorm
from avis.scoring.backend import Step, scores_of
from avis.scoring.chain import Chain
from avis.scoring.cosine import Cosine
from avis.scoring.lda import Lda
from avis.scoring.length_norm import LengthNorm
from avis.scoring.plda import Plda
from avis.scoring.scatter import whitening_matrix
from avis.scoring.wccn import Wccn
from avis.scoring.whitening import Whitening


def voices(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    speakers = np.repeat(np.arange(20), 6)
    mixing = np.random.default_rng(9).normal(size=(8, 8))
    return (rng.normal(size=(20, 8))[speakers] + rng.normal(size=(120, 8))) @ mixing + 3.0, speakers


def test_whitening_has_the_angles_of_scikit_learns() -> None:
    train, speakers = voices()
    backend = Whitening(shrinkage=0.0)
    backend.fit(train, speakers)
    reference = make_pipeline(PCA(whiten=True), Normalizer()).fit(train)
    ours, theirs = backend.transform(voices(1)[0]), reference.transform(voices(1)[0])
    np.testing.assert_allclose(ours @ ours.T, theirs @ theirs.T, atol=1e-5)
    assert np.cov(backend.project(train), rowvar=False, ddof=0) == pytest.approx(np.eye(8), abs=1e-9)


def test_each_step_is_fitted_on_what_the_steps_before_it_make() -> None:
    train, speakers = voices()
    chain = Chain(steps=[LengthNorm(), Lda(dim=5, shrinkage=0.1), Whitening(shrinkage=0.0), Plda(num_iterations=3)])
    chain.fit(train, speakers)
    lda, plda = Lda(dim=5, shrinkage=0.1), Plda(num_iterations=3)
    units = train / np.linalg.norm(train, axis=1, keepdims=True)
    lda.fit(units, speakers)
    projected = (units - units.mean(axis=0)) @ lda.state()["projection"]
    white = projected @ whitening_matrix(np.cov(projected, rowvar=False, ddof=0), shrinkage=0.0).T
    plda.fit(white, speakers)
    expected = plda.score(plda.transform(white[:50]), plda.transform(white[50:100]))
    np.testing.assert_allclose(
        chain.score(chain.transform(train[:50]), chain.transform(train[50:100])), expected, rtol=1e-4, atol=1e-4
    )


def test_state_goes_to_the_right_steps() -> None:
    made = [Chain(steps=[Lda(dim=5, shrinkage=0.1), Whitening(shrinkage=0.1), Cosine(center=True)]) for _ in range(2)]
    made[0].fit(*voices())
    made[1].restore(made[0].state())
    np.testing.assert_array_equal(made[1].transform(voices(1)[0]), made[0].transform(voices(1)[0]))


@pytest.mark.parametrize(
    "step",
    [
        LengthNorm(),
        Lda(dim=5, shrinkage=0.1),
        Whitening(shrinkage=0.1),
        Wccn(shrinkage=0.1),
        Cosine(center=True),
        Cosine(center=False),
    ],
    ids=lambda step: type(step).__name__,
)
def test_a_step_is_an_affine_map_with_its_lengths_held(step: Step) -> None:
    step.fit(*voices())
    for embedding in voices(1)[0][:3]:
        matrix, offset = step.projection_at(embedding)
        np.testing.assert_allclose(embedding @ matrix + offset, step.project(embedding[None])[0], atol=1e-10)


def test_maps_of_steps_go_one_after_the_other() -> None:
    """LDA, then the unit sphere, then PLDA, which subtracts its own mean there and scales again: by hand."""
    steps = [Lda(dim=5, shrinkage=0.1), LengthNorm(), Plda(num_iterations=2)]
    chain = Chain(steps=steps)
    chain.fit(*voices())
    lda, plda = steps[0].state(), steps[2].state()
    embedding = voices(1)[0][7]
    projected = (embedding - lda["mean"]) @ lda["projection"]
    unit = projected / np.linalg.norm(projected)
    length = np.linalg.norm(projected) * np.linalg.norm(unit - plda["center"])
    matrix, offset = chain.affine_at(embedding)
    np.testing.assert_allclose(matrix, lda["projection"] @ plda["projection"] / length, atol=1e-10)
    expected = (unit - plda["center"]) / np.linalg.norm(unit - plda["center"]) - plda["mean"]
    np.testing.assert_allclose(embedding @ matrix + offset, expected @ plda["projection"], atol=1e-10)


def test_a_chain_that_ends_in_a_normalisation_normalises() -> None:
    chain = Chain(steps=[LengthNorm(), AsNorm(backend=Cosine(center=True), top_n=5)])
    chain.fit(*voices())
    enroll, test = np.split(chain.transform(voices(1)[0][:20]), 2)
    made = scores_of(chain, enroll, test)
    np.testing.assert_array_equal(made["score_norm"], chain.score(enroll, test))
    units = [side @ matrix + offset for side in voices(1)[0][[0, 10]] for matrix, offset in [chain.affine_at(side)]]
    assert made["score"][0] == pytest.approx(units[0] @ units[1], abs=1e-6)


@pytest.mark.parametrize("steps", [[], [LengthNorm()], [Plda(num_iterations=1), Cosine(center=True)]])
def test_a_list_that_cannot_score_is_refused(steps: list) -> None:
    with pytest.raises(ValueError, match="A chain ends with the one step that scores"):
        Chain(steps=steps)
