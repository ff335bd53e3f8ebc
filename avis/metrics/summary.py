"""The figures that every evaluation states about one trial list."""

from typing import Any

from numpy.typing import ArrayLike

from avis.metrics.eer import crossing
from avis.metrics.figures import Tally, Wanted, figures, tally


def summarize(
    scores: ArrayLike, target: ArrayLike, llr: ArrayLike | None = None, *, wanted: Wanted | None = None
) -> dict[str, Any]:
    """Return all standard figures of one trial list; rates are fractions.

    Parameters
    ----------
    scores, target
        See `avis.metrics.scores.check`.
    llr
        Log-likelihood ratios (natural logarithm) of the same trials, if the scores were calibrated.
    wanted
        Protocols and false-match rates to state; those of `avis.metrics.protocols.PROTOCOLS` and
        `avis.metrics.figures.FMRS` if None.

    Returns
    -------
    dict
        What `avis.metrics.figures.figures` says, ``accuracy``, ``fnmr`` and ``fmr`` at the EER threshold;
        ``eer_threshold``; ``reversed``, true where targets score lower than non-targets, so that the sign of the scores
        is turned; ``num_target`` and ``num_nontarget``: plain Python numbers, ready for JSON.

    Raises
    ------
    ValueError
        See `avis.metrics.scores.check`.

    Examples
    --------
    >>> summarize([2, 1, 0, -1], [True, True, False, False])["min_dcf"]
    {'0.01': 0.0, '0.05': 0.0}
    """
    wanted = wanted or Wanted()
    return summary_of(tally(scores, target, llr, wanted=wanted), wanted)


def summary_of(counts: Tally, wanted: Wanted) -> dict[str, Any]:
    """Return the figures of a list that was counted before; see `summarize`."""
    stated = figures(counts, wanted)
    return {
        **stated,
        "eer_threshold": crossing(counts.scores)[1],
        "reversed": stated["auc"] < 0.5,
        "num_target": counts.scores.num_target,
        "num_nontarget": counts.scores.num_nontarget,
    }
