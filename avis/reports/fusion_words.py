"""Say what scores were fused of."""

from collections.abc import Mapping
from typing import Any

from avis.reports.figure_words import percent


def fused_systems(fusion: Mapping[str, Any]) -> str:
    r"""Return the systems with their weights and, where it is known, the equal error rate of each alone.

    Parameters
    ----------
    fusion
        See `avis.evaluation.fuse.FUSION`.

    Examples
    --------
    >>> one, other = {"weight": 0.5, "column": "score", "eer": None}, {"weight": 1.25, "column": "llr", "eer": 0.02}
    >>> fused_systems({"systems": {"a": one, "b": other}, "offset": -2.0}).replace("\N{NO-BREAK SPACE}", " ")
    '0.5 of a (score), 1.25 of b (llr, EER 2.00 % alone), offset -2'
    """
    systems = [
        f"{system['weight']:.4g} of {name} ({system['column']}"
        + (")" if system["eer"] is None else f", EER {percent(system['eer'])} alone)")
        for name, system in fusion["systems"].items()
    ]
    return f"{', '.join(systems)}, offset {fusion['offset']:.4g}"
