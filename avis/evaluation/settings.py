"""What an evaluation states of every trial list."""

from avis.evaluation.identification import Identification
from avis.metrics.bootstrap import Resampling, beyond_chance, least_p_value
from avis.metrics.figures import Wanted
from avis.metrics.operating_point import OperatingPoint
from avis.metrics.protocols import PROTOCOLS


class Evaluation:
    """What an evaluation states of every trial list.

    Parameters
    ----------
    seed : int
        Of the draws of speakers.
    bootstrap_draws : int
        How often speakers are drawn for confidence intervals and comparisons; 0 states none. With fewer than
        ``2 / (1 - confidence)`` no comparison could come out as more than chance.
    confidence : float
        Of the intervals, between 0 and 1.
    operating_points : dict
        Name and ``p_target``, ``c_miss``, ``c_fa`` of operating points besides the published ones.
    fmrs : list of float
        False-match rates at which to state the false-non-match rate.
    subgroups : list of str
        Columns of the scores table, for each value of which all figures are stated.
    fairness_min_trials : int
        Target trials, and as many non-target trials, that a value needs to count for fairness.
    identification : Identification
        Figures of lists in which every probe is tried against every enrolment.
    trials_in_memory : int
        Longer lists are evaluated out of core.

    Raises
    ------
    ValueError
        If a value makes no sense.
    """

    def __init__(
        self,
        *,
        seed: int,
        bootstrap_draws: int,
        confidence: float,
        operating_points: dict[str, dict[str, float]],
        fmrs: list[float],
        subgroups: list[str],
        fairness_min_trials: int,
        identification: Identification,
        trials_in_memory: int,
    ) -> None:
        for name, given in operating_points.items():
            if name in PROTOCOLS or not {"p_target"} <= set(given) <= {"p_target", "c_miss", "c_fa"}:
                raise ValueError(
                    f"operating point malformed: got {name}: {given}, expected a name other than the published ones, "
                    f"with p_target and perhaps c_miss and c_fa. At evaluation.operating_points. Correct it."
                )
        counts_fit = bootstrap_draws >= 0 and min(trials_in_memory, fairness_min_trials) >= 1
        if not (counts_fit and all(0.0 < fmr <= 1.0 for fmr in fmrs)):
            raise ValueError(
                f"evaluation out of range: got bootstrap_draws={bootstrap_draws}, trials_in_memory={trials_in_memory}, "
                f"fairness_min_trials={fairness_min_trials} and fmrs={fmrs}, expected counts (at least 0, 1 and 1) and "
                "shares above 0. At evaluation. Correct them."
            )
        own = {name: (OperatingPoint(**given),) for name, given in operating_points.items()}
        self.wanted = Wanted({**PROTOCOLS, **own}, tuple(fmrs))
        self.resampling = Resampling(max(bootstrap_draws, 1), confidence, seed).checked()
        if bootstrap_draws and not self.can_tell(1):
            raise ValueError(
                f"too few draws to compare: got bootstrap_draws={bootstrap_draws} for confidence={confidence}, "
                "expected at least 2 / (1 - confidence), or 0 for none. At evaluation.bootstrap_draws. Raise it."
            )
        self.draws, self.columns, self.trials_in_memory = bootstrap_draws > 0, subgroups, trials_in_memory
        self.identification, self.fairness_min_trials = identification, fairness_min_trials

    def can_tell(self, num_comparisons: int) -> bool:
        """Tell whether a difference could come out as more than chance among so many (see `avis.metrics.holm`)."""
        return beyond_chance(num_comparisons * least_p_value(self.resampling.num_draws), self.resampling.confidence)
