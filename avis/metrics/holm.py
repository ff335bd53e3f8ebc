"""Holm's adjustment of p-values for several comparisons."""

from collections.abc import Mapping, Sequence

import numpy as np

from avis.metrics.intervals import Differences


def holm(p_values: Sequence[float]) -> list[float]:
    """Return adjusted p-values: calling those of at most alpha real errs in any of them with probability alpha at most.

    References
    ----------
    Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6, 1979.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    stepped = np.asarray(p_values, dtype=np.float64)[order] * np.arange(len(order), 0, -1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return [float(p) for p in adjusted]


def adjust(differences: Mapping[str, Differences]) -> dict[str, Differences]:
    """Return differences of several systems from one, each figure's p-values adjusted for the number of systems."""
    adjusted = {name: dict(of_system.figures) for name, of_system in differences.items()}
    for figure in {figure: None for figures in adjusted.values() for figure in figures}:
        p_values = {
            name: p_value
            for name, figures in adjusted.items()
            if figure in figures and (p_value := figures[figure].p_value) is not None
        }
        for name, p_value in zip(p_values, holm(list(p_values.values())), strict=True):
            adjusted[name][figure] = adjusted[name][figure]._replace(p_value=p_value)
    return {name: differences[name]._replace(figures=figures) for name, figures in adjusted.items()}
