"""The record of an explanation: everything that pages, texts and tables say of a trial, as typed, plain data.

Three layers are kept apart. *Causal*: what moved the score (`Explanation.waterfall`, `segments`, `frames`, `evidence`,
`windows`, `bands`, `counterfactuals`). *Observed*: what can be heard, never claimed as a cause (`acoustics`,
`cohort`), nor, where it is guessed, as evidence (`guesses`). *Quality*: how far to trust it (`sides`, `warnings`,
`llr_interval`, `llr_bounds`, `completeness_gap`).

Evidence is counted in natural-log likelihood ratios (``llr``, not capped unless said), positive for one speaker; where
nothing is calibrated, in the back-end's score.
"""

from avis.explain.record.base import Record, SideName, Unit
from avis.explain.record.causal import Band, Bar, Counterfactual, Frames, Kind, Matrix, Removal, Segment
from avis.explain.record.explanation import Explanation
from avis.explain.record.observed import Attribute, Caption, Cohort, Guess, Neighbour
from avis.explain.record.quality import Baseline, By, Order, Route, Side

__all__ = [
    "Attribute",
    "Band",
    "Bar",
    "Baseline",
    "By",
    "Caption",
    "Cohort",
    "Counterfactual",
    "Explanation",
    "Frames",
    "Guess",
    "Kind",
    "Matrix",
    "Neighbour",
    "Order",
    "Record",
    "Removal",
    "Route",
    "Segment",
    "Side",
    "SideName",
    "Unit",
]
