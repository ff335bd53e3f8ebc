"""State what depends on the conditions of trials: figures of subgroups, and costs to which all parts count alike."""

from typing import Any

import numpy as np
import pyarrow as pa

from avis.evaluation.settings import Evaluation
from avis.metrics.equalised import condition_columns, equalised_costs
from avis.metrics.subgroups import group_names, subgroups
from avis.metrics.trials import Trials


def by_condition(trials: Trials, columns: pa.Table, chosen: Evaluation, *, threshold: float) -> dict[str, Any]:
    """Return ``subgroups`` by column where asked for, and ``dcf_equalised`` where the list has the columns.

    Parameters
    ----------
    trials : Trials
        The whole list.
    columns : pyarrow.Table
        Conditions of the same trials.
    chosen : Evaluation
        What is asked for.
    threshold : float
        At which all subgroups are decided.
    """

    def values(column: str) -> np.ndarray:
        return columns[column].to_numpy(zero_copy_only=False)

    stated = {}
    if chosen.columns:
        grouped = trials if chosen.draws else trials._replace(enroll_speaker=None, test_speaker=None)
        groups = {column: group_names(values(column)) for column in chosen.columns}
        stated["subgroups"] = {
            column: subgroups(
                grouped,
                names,
                order=order,
                threshold=threshold,
                min_trials=chosen.fairness_min_trials,
                wanted=chosen.wanted,
                resampling=chosen.resampling,
            )
            for column, (names, order) in groups.items()
        }
    conditions = {column: values(column) for column in condition_columns(columns.column_names)}
    resampling = chosen.resampling if chosen.draws else None
    if costs := equalised_costs(trials, conditions, protocols=chosen.wanted.protocols, resampling=resampling):
        stated["dcf_equalised"] = costs
    return stated
