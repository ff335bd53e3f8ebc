"""Likelihood ratios in words, by a table."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from avis.explain.text import wording

LARGEST = 1e300
"""No ratio is as large."""


@dataclass(frozen=True)
class Scale:
    """Words by how large a ratio is; what speaks for two speakers is worded as what speaks for one.

    Laboratories differ in bands, and in which of two an edge belongs to: here it is the upper one.

    Parameters
    ----------
    bands : sequence of (float, str)
        From which likelihood ratio on, at least 1 and rising, and what to call it; below the first there is no support
        either way.

    Raises
    ------
    ValueError
        If it is no such table.

    Examples
    --------
    >>> words(math.log(20), Scale([[1, "limited support"], [10, "moderate support"]]))
    'moderate support for one speaker'
    """

    bands: Sequence[tuple[float, str]]

    def __post_init__(self) -> None:
        if not _is_table(self.bands):
            raise ValueError(
                f"a verbal scale has bands: got bands={self.bands!r}, expected pairs of a likelihood ratio, from 1 on "
                "and each above the last, and of words. At the verbal scale. Correct it."
            )
        object.__setattr__(self, "bands", tuple((float(edge), words) for edge, words in self.bands))


def _is_table(bands: object) -> bool:
    if isinstance(bands, str) or not isinstance(bands, Sequence) or not bands:
        return False
    if not all(isinstance(band, Sequence) and not isinstance(band, str) and len(band) == 2 for band in bands):
        return False
    if not all(isinstance(words, str) and words.strip() and words.isprintable() for _, words in bands):
        return False
    edges = [edge for edge, _ in bands]
    if not all(isinstance(edge, int | float) and not isinstance(edge, bool) and edge < LARGEST for edge in edges):
        return False
    return edges[0] >= 1 and all(lower < upper for lower, upper in itertools.pairwise(edges))


ENFSI_2015 = Scale(wording.ENFSI_2015)
"""ENFSI, "Guideline for evaluative reporting in forensic science", 2015."""


def words(llr: float, scale: Scale) -> str:
    """Say a natural-log likelihood ratio in words, capped before.

    >>> words(math.log(150), ENFSI_2015), words(-math.log(150), ENFSI_2015)
    ('moderately strong support for one speaker', 'moderately strong support for two speakers')
    >>> words(math.log(1.9), ENFSI_2015)
    'no support for one view over the other'
    """
    reached = [called for edge, called in scale.bands if abs(llr) >= math.log(edge)]
    if not reached:
        return wording.NEITHER
    return wording.SUPPORT.format(words=reached[-1], who=wording.ONE if llr >= 0 else wording.TWO)
