"""PLDA adapted to another domain, of which there are utterances but no speaker labels."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from avis.scoring.backend import AdaptableBackend
from avis.scoring.length_norm import check_embeddings, length_normalize
from avis.scoring.plda import Plda, TwoCovariance, symmetric


class AdaptedPlda(Plda):
    """Two-covariance PLDA whose mean and covariances are moved to a new domain after training.

    Parameters
    ----------
    num_iterations : int
        See `avis.scoring.plda.Plda`.
    method : {"coral_plus", "excess_variance"}
        ``coral_plus``: the excess of the correlation-aligned model over the trained one, direction by direction;
        ``excess_variance``: the excess of the new domain's total covariance, dealt out to both (Kaldi's
        ``ivector-adapt-plda``).
    between_scale, within_scale : float
        Share of the excess, 0 to 1, that the covariance between and within speakers takes. Kaldi's sre16 recipe has
        0.25 and 0.75.

    References
    ----------
    Lee, Wang and Koshinaka, "The CORAL+ Algorithm for Unsupervised Domain Adaptation of PLDA", ICASSP 2019,
    algorithm 1, https://arxiv.org/abs/1812.10260.
    Povey, Kaldi, class PldaUnsupervisedAdaptor.
    """

    def __init__(
        self,
        *,
        num_iterations: int,
        method: Literal["coral_plus", "excess_variance"],
        between_scale: float,
        within_scale: float,
    ) -> None:
        super().__init__(num_iterations=num_iterations)
        if not (0.0 <= between_scale <= 1.0 and 0.0 <= within_scale <= 1.0):
            raise ValueError(
                f"A scale is a share of the excess: got between_scale={between_scale} and within_scale={within_scale}, "
                "expected 0 to 1. At scoring.backend. Correct them."
            )
        self.adapted = {"coral_plus": coral_plus, "excess_variance": share_excess}[method]
        self.scales: dict[str, Any] = {"between_scale": between_scale, "within_scale": within_scale}

    @property
    def adaptable(self) -> AdaptableBackend:
        """The back-end itself."""
        return self

    def adapt(self, embeddings: NDArray[np.floating]) -> None:
        """Move the fitted model to another domain; see `avis.scoring.backend.AdaptableBackend.adapt`."""
        assert self._state, "fit the back-end before it adapts"
        vectors = check_embeddings(embeddings, dim=self._state["center"].size)
        if len(vectors) < 2:
            raise ValueError(
                f"A domain has a covariance: got {len(vectors)} embeddings to adapt to, expected at least 2. "
                "At scoring.adapt_corpus. Give more utterances of it."
            )
        center = vectors.mean(axis=0)
        units = length_normalize(vectors - center)
        total = np.cov(units, rowvar=False, ddof=0).reshape(center.size, center.size)
        unprojection = np.linalg.inv(self._state["projection"])
        share = self._state["correlation"]
        model = TwoCovariance(
            mean=units.mean(axis=0),
            between=(unprojection.T * share) @ unprojection,
            within=(unprojection.T * (1.0 - share)) @ unprojection,
        )
        self._keep(center, self.adapted(model, total, **self.scales))


def coral_plus(
    model: TwoCovariance, total: NDArray[np.float64], *, between_scale: float, within_scale: float
) -> TwoCovariance:
    """Align the model's total covariance with ``total`` ``[dim, dim]`` and take over the variances that grow by it."""
    alignment = _power(total, 0.5) @ _power(model.between + model.within, -0.5)

    def grown(covariance: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
        aligned = symmetric(alignment @ covariance @ alignment.T)
        ridge = np.finfo(np.float64).eps * np.trace(covariance) * np.eye(len(covariance))
        variances, directions = eigh(aligned, symmetric(covariance) + ridge)
        back = np.linalg.inv(directions)
        return symmetric(covariance + scale * (back.T * np.maximum(variances - 1.0, 0.0)) @ back)

    return model._replace(between=grown(model.between, between_scale), within=grown(model.within, within_scale))


def share_excess(
    model: TwoCovariance, total: NDArray[np.float64], *, between_scale: float, within_scale: float
) -> TwoCovariance:
    """Where ``total`` ``[dim, dim]`` has more variance than the model, add shares of the difference to the model.

    Examples
    --------
    >>> one = np.eye(1)
    >>> share_excess(TwoCovariance(np.zeros(1), one, one), 4 * one, between_scale=0.25, within_scale=0.75).within
    array([[2.5]])
    """
    variances, directions = eigh(total, symmetric(model.between + model.within))
    back = np.linalg.inv(directions)
    excess = (back.T * np.maximum(variances - 1.0, 0.0)) @ back
    return model._replace(
        between=symmetric(model.between + between_scale * excess),
        within=symmetric(model.within + within_scale * excess),
    )


def _power(covariance: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
    """Return a power of a symmetric matrix; a negative one needs full rank."""
    variances, directions = np.linalg.eigh(symmetric(covariance))
    powers: NDArray[np.float64] = np.maximum(variances, 0.0) ** exponent
    return (directions * powers) @ directions.T
