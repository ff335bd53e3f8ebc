"""The figures that every evaluation states about one trial list."""

from dataclasses import dataclass

from numpy.typing import ArrayLike

from avis.metrics.eer import crossing
from avis.metrics.figures import AUC, ErrorCounts, Figures, FigureSet, count_errors, figures


@dataclass(frozen=True)
class Summary:
    """All standard figures of one trial list.

    Parameters
    ----------
    figures : Figures
        See `avis.metrics.figures.figures`; ``accuracy``, ``fnmr`` and ``fmr`` are those at the EER threshold.
    eer_threshold : float
        Score from which trials are accepted at the equal error rate.
    reversed : bool
        True where targets score lower than non-targets, so that the sign of the scores is turned.
    num_target, num_nontarget : int
        Trials of each kind.
    """

    figures: Figures
    eer_threshold: float
    reversed: bool
    num_target: int
    num_nontarget: int


def summarize(
    scores: ArrayLike, target: ArrayLike, llr: ArrayLike | None = None, *, figure_set: FigureSet | None = None
) -> Summary:
    """Return all standard figures of one trial list; rates are fractions.

    Parameters
    ----------
    scores, target : array_like [trials]
        See `avis.metrics.scores.check`.
    llr : array_like [trials], optional
        Log-likelihood ratios (natural logarithm) of the same trials, if the scores were calibrated.
    figure_set : FigureSet, optional
        Protocols and false-match rates to state; those of `avis.metrics.protocols.PROTOCOLS` and
        `avis.metrics.figures.FMRS` if None.

    Raises
    ------
    ValueError
        See `avis.metrics.scores.check`.

    Examples
    --------
    >>> summarize([2, 1, 0, -1], [True, True, False, False]).figures["min_dcf", "0.01"]
    0.0
    """
    figure_set = figure_set or FigureSet()
    return summary_of(count_errors(scores, target, llr, figure_set=figure_set), figure_set)


def summary_of(counts: ErrorCounts, figure_set: FigureSet) -> Summary:
    """Return the summary of a list whose errors were counted before; see `summarize`."""
    values = figures(counts, figure_set)
    return Summary(
        figures=values,
        eer_threshold=crossing(counts.scores)[1],
        reversed=values[AUC] < 0.5,
        num_target=counts.scores.num_target,
        num_nontarget=counts.scores.num_nontarget,
    )
