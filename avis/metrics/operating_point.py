"""Where a system is used: how frequent target trials are there, what errors cost, and so which trials to accept."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class OperatingPoint:
    """How frequent target trials are where a system is used, and what the two kinds of error cost there.

    Parameters
    ----------
    p_target : float
        Prior probability of a target trial, between 0 and 1.
    c_miss, c_fa : float
        Cost of rejecting a target and of accepting a non-target, above 0; both 1 in the VoxCeleb protocols and, since
        2010, in those of NIST.

    Raises
    ------
    ValueError
        If the prior or a cost is out of range.

    References
    ----------
    Brümmer and du Preez, "Application-Independent Evaluation of Speaker Detection", 2006 (Bayes decisions).
    """

    p_target: float
    c_miss: float = 1.0
    c_fa: float = 1.0

    def __post_init__(self) -> None:
        if not (0.0 < self.p_target < 1.0 and 0.0 < self.c_miss < np.inf and 0.0 < self.c_fa < np.inf):
            raise ValueError(
                f"An operating point has a prior and costs: got p_target={self.p_target}, c_miss={self.c_miss} and "
                f"c_fa={self.c_fa}, expected 0 < p_target < 1 and costs above 0. At operating_point or "
                "evaluation.operating_points. Correct it."
            )

    @property
    def threshold(self) -> float:
        """Natural-log likelihood ratio from which on accepting costs less than rejecting.

        >>> round(OperatingPoint(0.01).threshold, 4)
        4.5951
        """
        return math.log(self.c_fa * (1.0 - self.p_target)) - math.log(self.c_miss * self.p_target)

    def accept(self, llr: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Decide trials by their log-likelihood ratios ``[trials]``."""
        return llr >= self.threshold

    def expected_cost(self, llr: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return what each decision of `accept` is expected to cost, in units of the costs: float32 ``[trials]``."""
        log_odds = np.asarray(llr, dtype=np.float64) + np.log(self.p_target) - np.log1p(-self.p_target)
        is_target, is_nontarget = np.exp(-np.logaddexp(0.0, -log_odds)), np.exp(-np.logaddexp(0.0, log_odds))
        return np.where(self.accept(llr), self.c_fa * is_nontarget, self.c_miss * is_target).astype(np.float32)
