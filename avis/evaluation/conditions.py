"""Figures that depend on the conditions of trials: of subgroups, and costs to which all parts count alike."""

import numpy as np
import pyarrow as pa

from avis.evaluation.settings import Evaluation
from avis.metrics.equalised import EqualisedCosts, condition_columns, equalised_costs
from avis.metrics.subgroups import Subgroups, group_names, subgroups
from avis.metrics.trials import Trials


def subgroups_by_column(
    trials: Trials, conditions: pa.Table, evaluation: Evaluation, *, threshold: float
) -> dict[str, Subgroups]:
    """Return figures by the values of every column that the evaluation asks for.

    Parameters
    ----------
    trials : Trials
        The whole list.
    conditions : pyarrow.Table
        Columns of the same trials.
    evaluation : Evaluation
        Which columns, and how speakers are drawn.
    threshold : float
        Score from which trials of all subgroups are accepted.
    """
    if not evaluation.draws:
        trials = trials._replace(enroll_speaker=None, test_speaker=None)
    by_column = {}
    for column in evaluation.columns:
        names, order = group_names(_values(conditions, column))
        by_column[column] = subgroups(
            trials,
            names,
            order=order,
            threshold=threshold,
            min_trials=evaluation.fairness_min_trials,
            figure_set=evaluation.figure_set,
            resampling=evaluation.resampling,
        )
    return by_column


def equalised_by_protocol(trials: Trials, conditions: pa.Table, evaluation: Evaluation) -> dict[str, EqualisedCosts]:
    """Return the costs of every protocol by whose columns the list can be parted; see `equalised_costs`."""
    columns = {column: _values(conditions, column) for column in condition_columns(conditions.column_names)}
    resampling = evaluation.resampling if evaluation.draws else None
    return equalised_costs(trials, columns, protocols=evaluation.figure_set.protocols, resampling=resampling)


def _values(conditions: pa.Table, column: str) -> np.ndarray:
    return conditions[column].to_numpy(zero_copy_only=False)
