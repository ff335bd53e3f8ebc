"""PLDA back-end: two Gaussians, one over speakers and one over a speaker's utterances."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avis.scoring.additive import Affine, QuadraticForm
from avis.scoring.backend import Backend
from avis.scoring.length_norm import check_embeddings, length_normalize, lengths
from avis.scoring.scatter import Scatter, speaker_scatter

MIN_VARIANCE = 1e-6
"""Share of the mean variance added to each direction of the first estimate, so that it can be inverted."""


class TwoCovariance(NamedTuple):
    """An utterance is ``x = y + e`` with speaker ``y ~ N(mean, between)`` and ``e ~ N(0, within)``.

    Attributes
    ----------
    mean : float64 [dim]
        Mean of all speakers.
    between, within : float64 [dim, dim]
        Covariances between speakers and within a speaker.
    """

    mean: NDArray[np.float64]
    between: NDArray[np.float64]
    within: NDArray[np.float64]


class Plda(Backend):
    """Score by the log-likelihood ratio of "one speaker" against "two speakers" under the two-covariance model.

    Parameters
    ----------
    num_iterations : int
        Steps of expectation maximisation from the moments of the training data.

    References
    ----------
    Ioffe, "Probabilistic Linear Discriminant Analysis", ECCV 2006.
    Brümmer and de Villiers, "The Speaker Partitioning Problem", Odyssey 2010 (two-covariance model).
    Garcia-Romero and Espy-Wilson, Interspeech 2011 (length normalisation).
    """

    def __init__(self, *, num_iterations: int) -> None:
        if num_iterations < 0:
            raise ValueError(f"PLDA counts its steps: got num_iterations={num_iterations}, expected 0 or more.")
        self.num_iterations = num_iterations
        self._state: dict[str, NDArray[np.float64]] = {}

    def fit(self, embeddings: NDArray[np.floating], speakers: NDArray) -> None:
        """Learn the two covariances of centered, length-normalised embeddings; see `Backend.fit`.

        Raises
        ------
        ValueError
            If an embedding is zero or not finite, or there are fewer than two speakers or two utterances of any.
        """
        vectors = check_embeddings(embeddings)
        center = vectors.mean(axis=0)
        model = fit_two_covariance(length_normalize(vectors - center), speakers, num_iterations=self.num_iterations)
        self._keep(center, model)

    def _keep(self, center: NDArray[np.float64], model: TwoCovariance) -> None:
        projection, correlation = _diagonalize(model)
        self._state = {"center": center, "mean": model.mean, "projection": projection, "correlation": correlation}

    def transform(self, embeddings: NDArray[np.floating]) -> NDArray[np.float32]:
        """Center, scale to length 1 and turn to independent directions of variance 1, so float32 ``[utterances, dim]``.

        Raises what `avis.scoring.backend.Backend.transform` does.
        """
        units = length_normalize(self._centered(embeddings))
        return ((units - self._state["mean"]) @ self._state["projection"]).astype(np.float32)

    def _centered(self, embeddings: NDArray[np.floating]) -> NDArray[np.float64]:
        assert self._state, "fit or restore the back-end before it transforms"
        center = self._state["center"]
        return check_embeddings(embeddings, dim=center.size) - center

    def affine_at(self, embedding: NDArray[np.floating]) -> Affine:
        """Transform with the length of an embedding ``[dim]``; see `avis.scoring.backend.Backend.affine_at`."""
        length, projection = lengths(self._centered(embedding[None])), self._state["projection"]
        return Affine(projection / length, -(self._state["center"] / length + self._state["mean"]) @ projection)

    def form(self) -> QuadraticForm:
        """Return the log-likelihood ratio as a form, direction by direction; see `score`."""
        assert self._state, "fit or restore the back-end before it scores"
        shared = self._state["correlation"]
        unshared = 1.0 - shared**2
        own = -(shared**2) / (2.0 * unshared)
        return QuadraticForm(cross=shared / unshared, own=own, constant=float(-0.5 * np.log(unshared).sum()))

    def score(self, enroll: NDArray[np.float32], test: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return natural log-likelihood ratios of transformed vectors row by row.

        Both vectors have variance 1 in each direction; with one speaker they correlate there by
        ``r = between / (between + within)``, with two they don't, so the ratio is a sum over directions of
        ``-ln(1 - r^2) / 2 - (r^2 (a^2 + b^2) - 2 r a b) / (2 (1 - r^2))``.

        Parameters
        ----------
        enroll, test : float32 [trials, dim]
            Rows of `transform`, one of each per trial.

        Returns
        -------
        float32 [trials]
            Natural-log likelihood ratios.
        """
        assert enroll.shape == test.shape, f"one pair of vectors per trial: {enroll.shape} and {test.shape}"
        form = self.form()
        cross = np.einsum("td,td->t", enroll * form.cross, test)
        return (cross + _of_each(enroll, form) + _of_each(test, form) + form.constant).astype(np.float32)

    def score_matrix(self, enroll: NDArray[np.float32], test: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score every row of ``enroll`` against every row of ``test``, float32 ``[enroll, test]``."""
        form = self.form()
        cross = (enroll * form.cross) @ test.T.astype(np.float64)
        own = _of_each(enroll, form)[:, None] + _of_each(test, form)
        return (cross + own + form.constant).astype(np.float32)

    def state(self) -> dict[str, NDArray]:
        """Return what `fit` learnt, as arrays to keep."""
        assert self._state, "fit the back-end before its state is kept"
        return dict(self._state)

    def restore(self, state: dict[str, NDArray]) -> None:
        """Take back what `state` returned."""
        expected = {"center", "mean", "projection", "correlation"}
        assert set(state) == expected, f"state of another back-end: {sorted(state)}"
        self._state = dict(state)


def _of_each(vectors: NDArray[np.float32], form: QuadraticForm) -> NDArray[np.float64]:
    """Return what a vector adds to all of its scores, ``[vectors]``."""
    return np.square(vectors, dtype=np.float64) @ form.own


def fit_two_covariance(vectors: NDArray[np.float64], speakers: NDArray, *, num_iterations: int) -> TwoCovariance:
    """Estimate the two-covariance model by expectation maximisation.

    Parameters
    ----------
    vectors : float64 [utterances, dim]
        Training vectors.
    speakers : [utterances]
        Name or number of each row's speaker.
    num_iterations : int
        Number of steps; each raises the likelihood of the data.

    Returns
    -------
    TwoCovariance
        Mean of the speakers, and covariances between and within them.

    Raises
    ------
    ValueError
        If there are fewer than two speakers, or no speaker has two utterances.
    """
    scatter = speaker_scatter(vectors, speakers)
    floor = MIN_VARIANCE * vectors.var(axis=0).mean() * np.eye(vectors.shape[1])
    model = TwoCovariance(
        mean=scatter.means.mean(axis=0),
        between=np.cov(scatter.means, rowvar=False, ddof=0).reshape(floor.shape) + floor,
        within=scatter.within / len(vectors) + floor,
    )
    for _ in range(num_iterations):
        model = _expectation_maximization(scatter, model)
    return model


def _expectation_maximization(scatter: Scatter, model: TwoCovariance) -> TwoCovariance:
    """Take one step: the posterior of each speaker's ``y``, then the moments under it."""
    expected = np.empty_like(scatter.means)
    spread = np.zeros_like(model.between)
    spread_of_utterances = np.zeros_like(model.within)
    for count in np.unique(scatter.counts):
        rows = scatter.counts == count
        gain = np.linalg.solve(model.between + model.within / count, model.between).T
        posterior = model.between - gain @ model.between
        expected[rows] = model.mean + (scatter.means[rows] - model.mean) @ gain.T
        spread += np.count_nonzero(rows) * posterior
        spread_of_utterances += np.count_nonzero(rows) * count * posterior
    mean = expected.mean(axis=0)
    deviation = expected - mean
    residual = scatter.means - expected
    within = scatter.within + (residual.T * scatter.counts) @ residual + spread_of_utterances
    return TwoCovariance(
        mean=mean,
        between=symmetric(deviation.T @ deviation + spread) / len(scatter.counts),
        within=symmetric(within) / scatter.counts.sum(),
    )


def _diagonalize(model: TwoCovariance) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the projection ``[dim, dim]`` that makes the total variance 1, and the between share ``[dim]``."""
    whitening = np.linalg.inv(np.linalg.cholesky(model.between + model.within))
    share, directions = np.linalg.eigh(symmetric(whitening @ model.between @ whitening.T))
    return whitening.T @ directions, np.clip(share, 0.0, 1.0 - np.finfo(np.float32).eps)


def symmetric(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take out what rounding left of asymmetry."""
    return (matrix + matrix.T) / 2.0
