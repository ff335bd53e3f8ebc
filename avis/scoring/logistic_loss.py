"""Logistic regression at a prior: weights of inputs, and how far other speakers would have moved them."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from avis.scoring.speaker_covariance import speaker_covariance


class Weights(NamedTuple):
    """What makes ratios of inputs.

    Attributes
    ----------
    of_inputs : float64 [inputs]
    offset : float
    covariance : float64 [inputs + 1, inputs + 1]
        Of all of them with other speakers, the offset last; see `avis.scoring.speaker_covariance.speaker_covariance`.
    """

    of_inputs: NDArray[np.float64]
    offset: float
    covariance: NDArray[np.float64]


@dataclass(frozen=True)
class LogisticLoss:
    """The logistic loss of ratios at a prior, with a penalty on the weights that they are made by.

    Attributes
    ----------
    p_target : float
        What the target trials weigh together; the others weigh ``1 - p_target``. Between 0 and 1.
    l2 : float
        Weight of the squared weights of the standardised inputs, of which the offset is none.
    """

    p_target: float
    l2: float

    def best(
        self, inputs: NDArray[np.float64], target: NDArray[np.bool_], speakers: NDArray[np.integer] | None
    ) -> Weights:
        """Return the weights that minimise the loss, of which the first input's is not negative.

        Parameters
        ----------
        inputs : float64 [trials, inputs]
        target : bool [trials]
        speakers : int [trials, 2] or None
            Numbers of the speakers of both sides; None if every trial has speakers of its own.
        """
        mean, deviation = inputs.mean(axis=0), inputs.std(axis=0)
        deviation[deviation == 0.0] = 1.0
        standard = (inputs - mean) / deviation
        weights = self._minimize(standard, target)
        from_standard = np.diag(np.append(1 / deviation, 1.0))
        from_standard[-1, :-1] = -mean / deviation
        *of_inputs, offset = from_standard @ weights
        covariance = from_standard @ self._covariance(standard, target, weights, speakers) @ from_standard.T
        return Weights(np.array(of_inputs), offset, covariance)

    def _minimize(self, inputs: NDArray[np.float64], target: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the weights of standardised inputs ``[trials, inputs]`` and, last, the offset."""
        from scipy.optimize import minimize  # imported by who needs it: a verdict does not wait for it

        share, prior = self._shares(target), self._prior
        sign = np.where(target, -1.0, 1.0)

        def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            wrong = sign * (inputs @ weights[:-1] + weights[-1] + prior)
            slope = share * sign * np.exp(-np.logaddexp(0.0, -wrong))
            gradient = np.append(slope @ inputs + self.l2 * weights[:-1], slope.sum())
            return float(share @ np.logaddexp(0.0, wrong) + self.l2 / 2 * weights[:-1] @ weights[:-1]), gradient

        num = inputs.shape[1]
        bounds = [(0.0, None)] + [(None, None)] * num
        start = np.zeros(num + 1)
        options = {"ftol": 1e-14, "gtol": 1e-9}
        best = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
        return np.asarray(best.x, dtype=np.float64)

    def _covariance(
        self,
        inputs: NDArray[np.float64],
        target: NDArray[np.bool_],
        weights: NDArray[np.float64],
        speakers: NDArray[np.integer] | None,
    ) -> NDArray[np.float64]:
        """Return the covariance of the weights of standardised inputs and, last, the offset."""
        inputs, share = np.column_stack([inputs, np.ones(len(inputs))]), self._shares(target)
        posterior = expit(inputs @ weights + self._prior)
        slopes = (share * (posterior - target))[:, None] * inputs
        for kind in (target, ~target):  # a mean over each kind is minimised, however many there are of it
            slopes[kind] -= slopes[kind].mean(axis=0)
        penalty = np.diag(np.append(np.full(len(weights) - 1, self.l2), 0.0))
        curvature = (inputs.T * (share * posterior * (1 - posterior))) @ inputs + penalty
        return speaker_covariance(slopes, curvature, speakers)

    def _shares(self, target: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return what each trial weighs in the loss."""
        num_target = np.count_nonzero(target)
        return np.where(target, self.p_target / num_target, (1.0 - self.p_target) / (len(target) - num_target))

    @property
    def _prior(self) -> float:
        return float(np.log(self.p_target) - np.log1p(-self.p_target))
